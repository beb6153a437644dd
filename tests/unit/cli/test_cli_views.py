"""What people see of EdgeModels: everything fits 80 columns, nothing is coloured, nothing breaks on what is missing."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from edgemodel_cli import views
from edgemodel_cli.explain import explain
from edgemodel_cli.seen import Seen, age
from tests.unit.cli.digits_status import NOW, blamed, condition, healthy

UNSEEN = Seen({"metadata": {"name": "young", "namespace": "plant-a"}, "spec": {"version": "v1"}, "status": None})
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
        distillation={"candidate": "distilled-1", "phase": "Running", "job": "digits-d1"},
    )
    assert shown(views.tree(going, NOW))[-3:] == [
        "├── rollout of v2, step 1: Holding",
        "│   └── edge-1",
        "└── distillation of distilled-1: Running, digits-d1",
    ]


def test_history_is_in_order_of_time() -> None:
    assert [(row["what"], row["result"]) for row in views.history(blamed())] == [
        ("proved", "Serving"),
        ("SwitchModel", "Proved"),
        ("rollback-to", "Refused"),
    ]
    line = shown(views.history_table(views.history(blamed())))[2]
    assert line.split() == ["2026-01-01T12:20:00", "SwitchModel", "high-latency:", "v2", "→", "v1", "Proved"]


@pytest.mark.parametrize("model", [healthy(), blamed(), UNSEEN, LONG])
def test_everything_fits_80_columns_without_colour(model: Seen) -> None:
    parts = [views.overview([model], NOW), *views.details(model, NOW), views.tree(model, NOW)]
    lines = shown(*parts, views.history_table(views.history(model)))
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_nobody_writes_to_the_terminal_through_a_name() -> None:
    hostile = healthy(version="v1\x1b]0;owned\x07", conditions=[condition("Ready", "True", "x\x1b[2J")])
    text = "\n".join([*shown(views.overview([hostile], NOW), views.tree(hostile, NOW)), *explain(hostile, NOW)])
    assert "\x1b" not in text
    assert "\x07" not in text


def test_explain_says_why_with_evidence_and_what_to_do() -> None:
    assert list(explain(blamed(), NOW)) == [
        "digits is ready: v1 serves on 3 of 3 nodes",
        "v2 is wished; v1 serves: v2 is Quarantined (high-latency)",
        "",
        "why",
        "  Stalled is True, VersionQuarantined for 5m: v2 is Quarantined (high-latency): wish another version",
        "  Degraded is True, NodeBlamed for 5m: low-confidence on edge-3 (Node is blamed)",
        "",
        "faults",
        "  low-confidence for 2m on edge-3; Node is blamed: too few of the nodes that serve the version report it",
        "",
        "last asked",
        "  rollback-to v2: Refused, v2 is Quarantined (high-latency): clear-quarantine comes first",
        "",
        "next",
        "  wish another version, or let it serve again: edgemodel clear-quarantine digits v2",
    ]


def test_explain_shows_what_was_tried_about_a_fault() -> None:
    fault = {"name": "high-latency", "nodes": ["edge-1"], "blame": "Version", "since": "2026-01-01T12:28:00Z"}
    assert "    SwitchModel Proved; seen: high-latency on edge-1, edge-2, edge-3; Version is blamed" in list(
        explain(blamed(faults=[fault]), NOW)
    )


@pytest.mark.parametrize(
    ("conditions", "last"),
    [
        ([condition("Ready", "True", "Serving")], "nothing to do"),
        (
            [condition("Ready", "False", "NodesNotReady"), condition("Reconciling", "True", "WaitingForNodes")],
            "wait: the operator goes on by itself",
        ),
        (
            [condition("Ready", "True", "Serving"), condition("Paused", "True", "PausedByPerson")],
            "edgemodel resume digits: until then nothing is decided",
        ),
        (
            [condition("Ready", "True", "Serving"), condition("Healing", "False", "PersonAsked")],
            "look at the nodes and their input; back: edgemodel rollback digits v1",
        ),
    ],
)
def test_explain_ends_with_the_next_step(conditions: list[dict[str, Any]], last: str) -> None:
    assert list(explain(healthy(conditions=conditions), NOW))[-1].strip() == last


def test_explain_of_what_no_operator_has_seen() -> None:
    assert next(iter(explain(UNSEEN, NOW))) == (
        "young: no operator has looked at it: see that one runs and watches namespace plant-a"
    )


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
