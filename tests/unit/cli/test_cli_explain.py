"""What ``edgemodel explain`` says: the check, the evidence, what would change it, and the next command."""

from typing import Any

import pytest

from edgemodel_cli.explain import explain, lines
from tests.unit.cli.digits_status import NOW, UNSEEN, blamed, condition, healthy


def test_explain_says_why_with_evidence_and_what_to_do() -> None:
    assert list(lines(explain(blamed()), NOW)) == [
        "digits is ready: v1 serves on 3 of 3 nodes",
        "v2 is wished; v1 serves: v2 is Quarantined (high-latency)",
        "",
        "why",
        "  Stalled is True, VersionQuarantined for 5m: v2 is Quarantined (high-latency): wish another version",
        "    check: versions: what failed once stays out until a person clears it",
        "    seen: high-latency on edge-1, edge-2, edge-3; Version is blamed, at 2026-01-01T12:20:00Z",
        "    changes when spec.version names another version, or a person clears this one",
        "  Degraded is True, NodeBlamed for 5m: low-confidence on edge-3 (Node is blamed)",
        "    check: blame: a quorum of the nodes that serve a version blames it",
        "    changes when the node heals itself, or more nodes report it",
        "",
        "faults",
        "  low-confidence for 2m on edge-3; Node is blamed: too few of the nodes that serve the version report it",
        "",
        "last asked",
        "  rollback-to v2: Refused, v2 is Quarantined (high-latency): clear-quarantine comes first",
        "",
        "next",
        "  edgemodel clear-quarantine digits v2 -n plant-a",
        "  kubectl describe node NODE",
    ]


def test_explain_shows_what_was_tried_about_a_fault() -> None:
    fault = {"name": "high-latency", "nodes": ["edge-1"], "blame": "Version", "since": "2026-01-01T12:28:00Z"}
    (found,) = explain(blamed(faults=[fault])).faults
    assert found.tried == ("SwitchModel Proved; seen: high-latency on edge-1, edge-2, edge-3; Version is blamed",)


@pytest.mark.parametrize(
    ("conditions", "last"),
    [
        ([condition("Ready", "True", "Serving")], "nothing to do"),
        (
            [condition("Ready", "True", "Serving"), condition("Reconciling", "True", "WaitingForNodes")],
            "wait: the operator goes on by itself",
        ),
        (
            [condition("Ready", "False", "NodesNotReady"), condition("Reconciling", "True", "WaitingForNodes")],
            "edgemodel doctor digits -n plant-a",
        ),
        (
            [condition("Ready", "True", "Serving"), condition("Paused", "True", "PausedByPerson")],
            "edgemodel resume digits -n plant-a",
        ),
        (
            [condition("Ready", "True", "Serving"), condition("Healing", "False", "PersonAsked")],
            "edgemodel rollback digits v1 -n plant-a",
        ),
    ],
)
def test_explain_ends_with_the_next_step(conditions: list[dict[str, Any]], last: str) -> None:
    assert explain(healthy(conditions=conditions)).next[-1] == last


def test_what_waits_for_a_person_comes_first() -> None:
    asked = {"gate": "Redistill", "subject": "low-confidence", "message": "a successor would be trained"}
    assert explain(blamed(approvals=[asked])).next[:2] == (
        "edgemodel approve digits low-confidence -n plant-a",
        "or: edgemodel reject digits low-confidence -n plant-a",
    )


def test_explain_of_what_no_operator_has_seen() -> None:
    found = explain(UNSEEN)
    assert found.state == ("young: no operator has looked at it: see that one runs and watches namespace plant-a",)
    assert found.next == ("edgemodel doctor young -n plant-a",)


def test_programs_get_the_same() -> None:
    found = explain(blamed()).as_json()
    assert [why["check"].partition(":")[0] for why in found["why"]] == ["versions", "blame"]
    assert found["underWay"] == ()
