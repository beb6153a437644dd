"""What a user gets from ``edgemodel rehearse``: the firings that nodes would have seen; clear words for bad files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ended

Edgemodel = Callable[..., Ended]

RULE = '{name: slow, metric: inference_latency_ms, operator: ">", threshold: 100, window: 1, triggerCount: 2}'
BARE = f"rules:\n- {RULE}\n"
EDGEMODEL = f"""
apiVersion: edgemodel.dev/v1alpha1
kind: EdgeModel
metadata: {{name: digits}}
spec:
  health:
    rules:
    - {RULE}
  healing:
    strategies:
    - faults: [slow]
      actions: [{{type: SwitchModel}}, {{type: Restart, delay: 2s}}, {{type: Alert}}]
    settle: 20s
    minSamples: 5
    cooldown: 1m
    maxPerHour: 6
"""


@pytest.fixture
def rehearse(edgemodel: Edgemodel, tmp_path: Path) -> Callable[..., Ended]:
    """Writes both files and runs the command."""

    def run(rules: str, samples: str, *arguments: str) -> Ended:
        (tmp_path / "rules.yaml").write_text(rules)
        (tmp_path / "samples.csv").write_text(samples)
        return edgemodel("rehearse", tmp_path / "rules.yaml", tmp_path / "samples.csv", *arguments)

    return run


def series(*values: object, start: int = 0, metric: str = "inference_latency_ms") -> str:
    """A recording of one metric, one sample every ten seconds."""
    return f"time,{metric}\n" + "".join(f"{start + 10 * i},{value}\n" for i, value in enumerate(values))


def firings(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = json.loads(ended.out)["firings"]
    return found


def ladder(ended: Ended) -> list[tuple[int, str]]:
    return [(rung["time"], rung["step"]) for rung in json.loads(ended.out)["ladder"]]


def test_a_firing_has_its_evidence(rehearse: Callable[..., Ended]) -> None:
    assert firings(rehearse(BARE, series(20, 150, 160, 20), "-o", "json")) == [
        {
            "time": 20,
            "rule": "slow",
            "metric": "inference_latency_ms",
            "value": 160.0,
            "threshold": 100.0,
            "severity": "Critical",
            "ladder": "no strategy",
        }
    ]


def test_an_empty_cell_is_no_sample_and_no_miss(rehearse: Callable[..., Ended]) -> None:
    assert [f["time"] for f in firings(rehearse(BARE, series(150, "", 150, 20, 150), "-o", "json"))] == [20]


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_finite_number_is_absent(rehearse: Callable[..., Ended], value: str) -> None:
    assert [f["time"] for f in firings(rehearse(BARE, series(150, value, 150), "-o", "json"))] == [20]


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (("0", "10"), 10),
        (("0.5", "1.25"), 1.25),
        (("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z"), "2026-01-01T00:00:10Z"),
        (("2026-01-01 00:00:00", "2026-01-01 00:00:10"), "2026-01-01 00:00:10"),
    ],
)
def test_times_are_shown_as_the_file_gives_them(
    rehearse: Callable[..., Ended], times: tuple[str, str], wanted: object
) -> None:
    samples = "time,inference_latency_ms\n" + "".join(f"{time},150\n" for time in times)
    assert [f["time"] for f in firings(rehearse(BARE, samples, "-o", "json"))] == [wanted]


@pytest.mark.parametrize("rules", [BARE, f"- {RULE}\n", EDGEMODEL, f"kind: Secret\n---\n{EDGEMODEL}"])
def test_rules_are_an_edgemodel_or_a_bare_list(rehearse: Callable[..., Ended], rules: str) -> None:
    assert len(firings(rehearse(rules, series(150, 150), "-o", "json"))) == 1


def test_the_sample_manifest_can_be_rehearsed(edgemodel: Edgemodel, tmp_path: Path) -> None:
    (tmp_path / "samples.csv").write_text(series(*[150] * 8))
    sample = Path(__file__).parents[3] / "manifests" / "samples" / "digits.yaml"
    ended = edgemodel("rehearse", sample, tmp_path / "samples.csv", "-o", "json")
    assert [(f["rule"], f["time"], f["ladder"]) for f in firings(ended)] == [("high-latency", 60, "SwitchModel")]


def test_a_fault_that_goes_away_after_the_first_action_is_proved(rehearse: Callable[..., Ended]) -> None:
    ended = rehearse(EDGEMODEL, series(150, 150, 20, 20, 20, 20), "-o", "json")
    assert ladder(ended) == [(10, "SwitchModel"), (20, "waits: Settling"), (30, "SwitchModel: Proved")]


def test_a_fault_that_stays_makes_the_ladder_climb_to_a_person(rehearse: Callable[..., Ended]) -> None:
    ended = rehearse(EDGEMODEL, series(*[150] * 14), "-o", "json")
    assert [step for _, step in ladder(ended) if not step.startswith("waits: ")] == [
        "SwitchModel",
        "SwitchModel: Failed",
        "Restart",
        "Restart: Failed",
        "Alert",
        "waits for a person after Alert",
    ]


def test_too_few_recorded_requests_prove_nothing(rehearse: Callable[..., Ended]) -> None:
    lines = [f"{10 * i},{150 if i < 2 else 20},0.1\n" for i in range(6)]
    ended = rehearse(EDGEMODEL, "time,inference_latency_ms,requests_per_second\n" + "".join(lines), "-o", "json")
    assert ladder(ended)[-1] == (30, "waits: WaitingForEvidence")


def test_the_table_shows_firings_and_ladder_in_80_columns(rehearse: Callable[..., Ended]) -> None:
    ended = rehearse(EDGEMODEL, series(150, 150, 20, 20))
    lines = [line.rstrip() for line in ended.out.splitlines()]
    assert lines[:2] == [
        "TIME RULE VALUE THRESHOLD SEVERITY LADDER",
        "10   slow 150   100       Critical SwitchModel",
    ]
    assert lines[-1] == "30   slow  SwitchModel: Proved"
    assert max(map(len, lines)) <= 80
    assert ended.err == "1 firing in 4 samples\n"


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_rule_without_a_column_is_named(rehearse: Callable[..., Ended], output: str) -> None:
    ended = rehearse(BARE, series(1, 2, metric="cpu_percent"), "-o", output)
    assert "slow: there is no column inference_latency_ms, so it never fires" in ended.err


def test_the_picture_is_a_png(rehearse: Callable[..., Ended], tmp_path: Path) -> None:
    rehearse(EDGEMODEL, series(150, 150, 20, "", 20))
    command = [sys.executable, "-m", "edgemodel_cli", "rehearse", "rules.yaml", "samples.csv", "-o", "png"]
    drawn = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert drawn.stdout.startswith(b"\x89PNG\r\n")


def test_without_matplotlib_the_picture_says_what_to_install(
    rehearse: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ended = rehearse(BARE, series(1), "-o", "png")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "edgemodel: -o png wants matplotlib: pip install 'edgemodel-cli[plot]'\n"


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ("", "line 1: want a column 'time', got nothing"),
        ("t,inference_latency_ms\n", "line 1: want a column 'time', got t, inference_latency_ms"),
        ("time,latency\n", "line 1, column 'latency': not a metric; want some of inference_latency_ms, "),
        ("time,cpu_percent,cpu_percent\n", "line 1, column 'cpu_percent': is there twice"),
        ("time,cpu_percent\n0,1\n10,abc\n", "line 3, column 'cpu_percent': want a number or nothing, got 'abc'"),
        ("time,cpu_percent\n0,1\n10\n", "line 3: want 2 cells, got 1"),
        ("time,cpu_percent\nsoon,1\n", "line 2, column 'time': want seconds or a moment such as "),
        ("time,cpu_percent\ninf,1\n", "line 2, column 'time': want seconds or a moment such as "),
        ("time,cpu_percent\n10,1\n10,1\n", "line 3, column 'time': 10 does not come after 10"),
        ('time,cpu_percent\n0,"1\n', "not a CSV file: unexpected end of data"),
        (
            "time,cpu_percent\n0,1\n2026-01-01T00:00:00Z,1\n",
            "line 3, column 'time': want what line 2 has, got 2026-01-01T00:00:00Z",
        ),
    ],
)
def test_a_bad_recording_is_refused_by_line_and_column(
    rehearse: Callable[..., Ended], samples: str, words: str
) -> None:
    ended = rehearse(BARE, samples)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"edgemodel: samples.csv: {words}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("", "rules: want a list, got None"),
        ("rules: []", "rules: want at least one rule"),
        ("rules: {}", "rules: want a list, got {}"),
        ("just words", "document: want fields, got 'just words'"),
        ("rules: [1]", "rules[0]: want fields, got 1"),
        ("a: [", "not YAML: "),
        (BARE.replace("window", "windw"), "rules[0].windw: no such field; want some of "),
        (BARE.replace("100", "lots"), "rules[0].threshold: "),
        (BARE.replace("inference_latency_ms", "latency"), "rules[0].metric: "),
        (BARE + f"- {RULE}\n", "rules: want names of their own, got 'slow' twice"),
        (EDGEMODEL.replace("20s", "soon"), "spec.healing.settle: want a duration such as 10s or 2m30s, got 'soon'"),
        (EDGEMODEL.replace("SwitchModel", "Pray"), "spec.healing.strategies[0].actions[0].type: "),
        (EDGEMODEL.replace("maxPerHour: 6", "maxPerHour: no"), "spec.healing.maxPerHour: want a whole number"),
        (EDGEMODEL.replace(">", "~"), "spec.health.rules[0].operator: "),
    ],
)
def test_bad_rules_are_refused_by_field(rehearse: Callable[..., Ended], rules: str, words: str) -> None:
    ended = rehearse(rules, series(1))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"edgemodel: rules.yaml: {words}")
    assert ended.err.count("\n") == 1


def test_samples_too_large_to_compute_with_are_no_verdict(rehearse: Callable[..., Ended]) -> None:
    variance = BARE.replace('">"', "variance").replace("window: 1", "window: 2")
    assert firings(rehearse(variance, series(1e308, -1e308, 1e308), "-o", "json")) == []


def test_a_missing_file_is_named(edgemodel: Edgemodel, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BARE)
    assert edgemodel("rehearse", tmp_path / "no.yaml", tmp_path / "no.csv").err.endswith("no.yaml: no such file\n")
    assert edgemodel("rehearse", tmp_path / "rules.yaml", tmp_path / "no.csv").err.endswith("no.csv: no such file\n")
