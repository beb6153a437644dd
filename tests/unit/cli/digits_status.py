"""EdgeModels as an API server shows them, for tests of what people see."""

import copy
from datetime import UTC, datetime
from typing import Any

from edgemodel_cli.seen import Seen

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


def _condition(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T12:25:00Z",
    }


HEALTHY: dict[str, Any] = {
    "metadata": {"name": "digits", "namespace": "plant-a", "creationTimestamp": "2026-01-01T10:00:00Z"},
    "spec": {"version": "v1"},
    "status": {
        "version": "v1",
        "digest": "sha256:" + "1" * 64,
        "lastGood": "v1",
        "nodes": {"desired": 3, "ready": 3, "summary": "3/3"},
        "versions": [
            {
                "name": "v1",
                "state": "Serving",
                "digest": "sha256:" + "1" * 64,
                "since": "2026-01-01T10:01:00Z",
                "provedAt": "2026-01-01T10:02:00Z",
            }
        ],
        "conditions": [_condition("Ready", "True", "Serving", "v1 serves on 3 of 3 nodes")],
    },
}

BLAMED: dict[str, Any] = copy.deepcopy(HEALTHY)
BLAMED["spec"]["version"] = "v2"
BLAMED["status"]["versions"] += [
    {
        "name": "v2",
        "state": "Quarantined",
        "reason": "high-latency",
        "digest": "sha256:" + "2" * 64,
        "since": "2026-01-01T12:20:00Z",
    }
]
BLAMED["status"]["conditions"] = [
    _condition("Ready", "True", "Serving", "v1 serves on 3 of 3 nodes"),
    _condition("Stalled", "True", "VersionQuarantined", "v2 is Quarantined (high-latency): wish another version"),
    _condition("Degraded", "True", "NodeBlamed", "low-confidence on edge-3 (Node is blamed)"),
]
BLAMED["status"]["faults"] = [
    {"name": "low-confidence", "nodes": ["edge-3"], "since": "2026-01-01T12:28:00Z", "blame": "Node"}
]
BLAMED["status"]["heals"] = [
    {
        "at": "2026-01-01T12:20:00Z",
        "fault": "high-latency",
        "action": "SwitchModel",
        "from": "v2",
        "to": "v1",
        "evidence": "high-latency on edge-1, edge-2, edge-3; Version is blamed",
        "verdict": "Proved",
        "verifiedAt": "2026-01-01T12:21:01Z",
    }
]
BLAMED["status"]["verbs"] = [
    {
        "verb": "rollback-to",
        "argument": "v2",
        "token": "1",
        "at": "2026-01-01T12:24:00Z",
        "result": "Refused",
        "message": "v2 is Quarantined (high-latency): clear-quarantine comes first",
    }
]
BLAMED["status"]["nodes"]["exceptions"] = [{"name": "edge-3", "version": "v0", "reason": "low-confidence"}]


UNSEEN = Seen({"metadata": {"name": "young", "namespace": "plant-a"}, "spec": {"version": "v1"}, "status": None})


def healthy(**status: Any) -> Seen:
    """One that serves everywhere, with fields of its status replaced."""
    return Seen(HEALTHY | {"status": HEALTHY["status"] | status})


def blamed(**status: Any) -> Seen:
    """One whose wished version failed and one of whose nodes has a fault, with fields of its status replaced."""
    return Seen(BLAMED | {"status": BLAMED["status"] | status})


def condition(type_: str, status: str, reason: str) -> dict[str, str]:
    """A condition since five minutes."""
    return _condition(type_, status, reason, "because")
