"""What people see of EdgeModels: everything fits 80 columns, nothing is coloured, nothing breaks on what is missing."""

import io

import pytest
from rich.console import Console, RenderableType

from edgemodel_cli import views
from edgemodel_cli.explain import explain, lines
from edgemodel_cli.seen import Seen, age
from edgemodel_cli.timeline import timeline
from tests.unit.cli.digits_status import NOW, UNSEEN, blamed, condition, healthy

LONG = Seen(
    {
        "metadata": {"name": "n" * 52, "namespace": "plant-a", "creationTimestamp": "2026-01-01T10:00:00Z"},
        "spec": {"version": "v" * 52},
        "status": blamed().status | {"version": "w" * 52, "faults": [{"name": "f" * 52, "nodes": ["e" * 200]}]},
    }
)


def shown(*parts: RenderableType) -> list[str]:
    """The lines that `parts` take on a console of 80 columns that is no terminal."""
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, markup=False)
    for part in parts:
        console.print(part)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_the_overview_has_a_line_for_each() -> None:
    assert shown(views.overview([healthy(), blamed(), UNSEEN], NOW)) == [
        "NAME    READY    VERSION  NODES  FAULT           REASON       AGE",
        "digits  yes      v1       3/3    –               Serving      2h",
        "digits  yes      v1       3/3    low-confidence  Serving      2h",
        "young   unknown  –        –      –               NotObserved",
    ]


def test_a_paused_one_says_so_in_the_overview() -> None:
    paused = healthy(conditions=[condition("Ready", "True", "Serving"), condition("Paused", "True", "PausedByPerson")])
    assert "Paused" in shown(views.overview([paused], NOW))[1]


def test_details_name_what_serves_and_what_was_wished() -> None:
    lines = shown(*views.details(blamed(), NOW))
    assert lines[0].split(maxsplit=1) == ["serves", "v1  (wished: v2)"]
    assert any(line.startswith("Stalled    True    VersionQuarantined") for line in lines)


def test_the_tree_has_versions_nodes_that_differ_and_faults() -> None:
    assert shown(views.tree(blamed(), NOW)) == [
        "plant-a/digits: v1 serves",
        "├── versions",
        "│   ├── v1  Serving  for 2h  sha256:111111111111  last good",
        "│   └── v2  Quarantined (high-latency)  for 10m  sha256:222222222222  wished",
        "├── nodes 3/3",
        "│   └── edge-3: v0 (low-confidence)",
        "└── fault low-confidence on edge-3: Node is blamed",
    ]


def test_the_tree_shows_what_is_under_way() -> None:
    going = healthy(
        rollout={"to": "v2", "step": 0, "nodes": ["edge-1"], "reason": "Holding"},
        distillation={"candidate": "distilled-1", "phase": "Running", "percent": 40, "job": "digits-d1"},
    )
    assert shown(views.tree(going, NOW))[-3:] == [
        "├── rollout of v2, step 1: Holding",
        "│   └── edge-1",
        "└── distillation of distilled-1: Running (40 %), digits-d1",
    ]


def test_history_is_in_order_of_time() -> None:
    assert [(found.what, found.result) for found in timeline(blamed())] == [
        ("proved", "Good"),
        ("SwitchModel", "Proved"),
        ("barred", "Quarantined"),
        ("rollback-to", "Refused"),
    ]


def test_history_says_how_long_a_heal_took_to_be_proved() -> None:
    line = shown(views.history(timeline(blamed())))[2]
    assert " ".join(line.split()) == "2026-01-01T12:20:00 SwitchModel high-latency: v2 → v1 Proved in 61s"


def test_history_says_which_nodes_restarted_themselves_and_that_it_did_not_help() -> None:
    at, names = "2026-01-01T12:20:00Z", [f"edge-{i}" for i in range(1, 6)]
    own = {"at": at, "verifiedAt": at, "fault": "leak", "action": "Restart", "verdict": "Failed", "nodes": names}
    lines = shown(views.history(timeline(healthy(heals=[own]))))
    told = " ".join(" ".join(lines[1:]).split())
    assert "2026-01-01T12:20:00 Restart leak, by edge-1, edge-2, edge-3 and 2 more Failed" in told
    assert max(map(len, lines)) <= 80


def test_details_name_what_waits_for_a_person_and_the_command() -> None:
    asked = {"gate": "Redistill", "subject": "low-confidence", "message": "a successor would be trained"}
    lines = shown(*views.details(healthy(approvals=[asked]), NOW))
    assert lines[4:6] == [
        "asks you   a successor would be trained",
        "           edgemodel approve digits low-confidence -n plant-a (or reject)",
    ]


@pytest.mark.parametrize("model", [healthy(), blamed(), UNSEEN, LONG])
def test_everything_fits_80_columns_without_colour(model: Seen) -> None:
    parts = [views.overview([model], NOW), *views.details(model, NOW), views.tree(model, NOW)]
    lines = shown(*parts, views.history(timeline(model)))
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_nobody_writes_to_the_terminal_through_a_name() -> None:
    hostile = healthy(version="v1\x1b]0;owned\x07", conditions=[condition("Ready", "True", "x\x1b[2J")])
    text = "\n".join([*shown(views.overview([hostile], NOW), views.tree(hostile, NOW)), *lines(explain(hostile), NOW)])
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("since", "wanted"),
    [
        ("2026-01-01T12:29:30Z", "30s"),
        ("2026-01-01T12:00:00Z", "30m"),
        ("2026-01-01T02:00:00Z", "10h"),
        ("2025-12-01T12:30:00Z", "31d"),
        ("2026-01-01T12:31:00Z", "0s"),
        ("junk", ""),
        ("", ""),
    ],
)
def test_ages_are_short(since: str, wanted: str) -> None:
    assert age(since, NOW) == wanted
