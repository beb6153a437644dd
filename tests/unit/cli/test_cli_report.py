"""What ``edgemodel report`` says, in each form; and what is never in it."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from edgemodel_cli.report import Report, redacted, write_report
from edgemodel_cli.report_formats import as_html, as_markdown
from edgemodel_cli.seen import Seen
from tests.unit.cli.digits_status import BLAMED, NOW, UNSEEN, blamed

EVENT = {
    "eventTime": "2026-01-01T12:20:00.000000Z",
    "type": "Warning",
    "reason": "RolledBack",
    "message": "v2 → v1: high-latency",
}
SPEC = BLAMED["spec"] | {
    "health": {
        "rules": [
            {
                "name": "high-latency",
                "metric": "inference_latency_ms",
                "operator": ">",
                "threshold": 100,
                "statistic": "p95",
                "window": 5,
                "triggerCount": 3,
                "severity": "Critical",
            }
        ]
    },
    "healing": {
        "strategies": [{"faults": ["high-latency"], "actions": [{"type": "SwitchModel"}, {"type": "Redistill"}]}],
        "settle": "1m",
        "minSamples": 30,
    },
    "distillation": {"gates": {"minAccuracy": 0.95}},
}
DISTILLATION = {
    "phase": "Rejected",
    "candidate": "distilled-1",
    "started": "2026-01-01T12:10:00Z",
    "samples": 400,
    "scores": {"accuracy": 0.91234},
    "message": "accuracy 0.912, want at least 0.95",
}


def report(*events: dict[str, Any], **status: Any) -> Report:
    return write_report(Seen(BLAMED | {"spec": SPEC, "status": BLAMED["status"] | status}), events, NOW)


def section(found: Report, key: str) -> Any:
    return found.as_json()[key]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_heal_has_its_fault_evidence_verdict_and_duration() -> None:
    assert section(report(), "timeline")[1] == {
        "at": "2026-01-01T12:20:00Z",
        "what": "SwitchModel",
        "detail": "high-latency: v2 → v1",
        "evidence": "high-latency on edge-1, edge-2, edge-3; Version is blamed",
        "result": "Proved",
        "took": "61s",
    }


def test_rules_are_told_with_what_is_done_about_them() -> None:
    assert section(report(), "rules") == [
        {
            "rule": "high-latency",
            "condition": "p95 of inference_latency_ms > 100",
            "window": "5",
            "hits": "3",
            "severity": "Critical",
            "actions": "SwitchModel → Redistill",
        }
    ]


def test_a_distillation_has_its_gates_and_what_was_reached() -> None:
    found = {row["field"]: row["value"] for row in section(report(distillation=DISTILLATION), "distillation")}
    assert found["gates"] == "min accuracy 0.95"
    assert found["scores"] == "accuracy 0.9123"
    assert found["message"] == "accuracy 0.912, want at least 0.95"


def test_a_rollout_has_the_comparison_with_what_served_before() -> None:
    comparison = {
        "canaryNodes": 1,
        "controlNodes": 3,
        "canaryRequests": 120,
        "controlRequests": 360,
        "latencyRatio": {"value": 1.62, "low": 1.4, "high": 1.9},
        "errorDifference": {"value": 0.0},
    }
    rows = section(report(rollout={"to": "v3", "step": 0, "comparison": comparison}), "rollout")
    found = {row["field"]: row["value"] for row in rows}
    assert found["new version"] == "120 requests on 1 node"
    assert found["latency"] == "1.62 (between 1.4 and 1.9) of the old one's"
    assert found["errors"] == "+0 (too little seen to be sure) more of the requests"


def test_events_are_in_order_of_time() -> None:
    earlier = EVENT | {"eventTime": None, "lastTimestamp": "2026-01-01T12:00:00Z", "count": 3, "reason": "Earlier"}
    found = section(report(EVENT, earlier), "events")
    assert [(event["reason"], event["count"]) for event in found] == [("Earlier", "3"), ("RolledBack", "1")]


def test_markdown_keeps_each_table_in_its_rows() -> None:
    lines = as_markdown(report(EVENT | {"message": "a | b\n<img src=x> [link](http://evil) @all"})).splitlines()
    (row,) = [line for line in lines if "RolledBack" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<img" not in row
    assert "\\[link\\]" in row


def test_the_page_stands_by_itself() -> None:
    page = Page(as_html(report(EVENT | {"message": "<script src=http://evil></script>"})))
    assert not page.links
    assert not page.tags & {"script", "img", "link", "iframe"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("oci://user:hunter2@registry/m", "oci://***@registry/m"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("https://sink/upload?token=hunter2", "https://sink/upload?token=***"),
        ("password: hunter2", "password: ***"),
        ("Secret login is not there", "Secret login is not there"),
        ("\x1b]0;owned\x07", "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_may_be_a_secret_is_left_out(text: str, said: str) -> None:
    assert redacted(text) == said


def test_annotations_and_references_to_secrets_are_not_in_it() -> None:
    planted = {
        "metadata": BLAMED["metadata"] | {"annotations": {"note": "CANARY-1"}, "labels": {"x": "CANARY-2"}},
        "spec": SPEC
        | {"cloud": {"tokenSecret": {"name": "CANARY-3"}}, "registry": {"pullSecret": {"name": "CANARY-4"}}},
        "status": blamed().status,
    }
    found = write_report(Seen(planted), [EVENT], NOW)
    forms = (as_markdown(found), as_html(found), json.dumps(found.as_json()))
    assert not any("CANARY" in form for form in forms)


def test_what_no_operator_has_seen_makes_a_report_too() -> None:
    assert "no operator has looked at it" in as_markdown(write_report(UNSEEN, [], NOW))
