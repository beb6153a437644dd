"""Nodes that a placement selects, and the pods on them, as the watch shows them (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any

from edgemodel_operator.api.serving import Placement
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Node

Body = Mapping[str, Any]


def nodes_of(placement: Placement, found: Iterable[Body], serving: Iterable[Body]) -> tuple[Node, ...]:
    """What is to serve: of the nodes `found` those that match, or with Replicas each of the pods `serving`."""
    if placement.mode == "Replicas":
        ready = {body["name"]: body["ready"] for body in found}
        return tuple(Node(name=pod["name"], ready=ready.get(pod["node"])) for pod in serving if pod["node"])
    return tuple(Node(name=body["name"], ready=body["ready"]) for body in found if matches(placement, body))


def mode_of(pod: Body, present: str) -> str:
    """The placement mode that a serving pod was made for."""
    return naming.POD_OWNERS.get(pod["owner"], present)


def unit_of(pod: Body, present: str) -> str:
    """What a pod serves for, and calls itself by: its node, or as one of several replicas itself."""
    name: str = pod["node"] if mode_of(pod, present) == "EveryNode" else pod["name"]
    return name


def matches(placement: Placement, node: Body) -> bool:
    """Whether a DaemonSet with this placement would put a pod on `node`: selector, and taints that are tolerated."""
    if any(node["labels"].get(key) != value for key, value in placement.node_selector.items()):
        return False
    return all(_tolerated(taint, placement) for taint in node["taints"])


def _tolerated(taint: Mapping[str, str], placement: Placement) -> bool:
    if taint["key"].startswith("node.kubernetes.io/"):
        return True
    return any(
        (not t.key or t.key == taint["key"])
        and (not t.effect or t.effect == taint["effect"])
        and (t.operator == "Exists" or (t.value or "") == taint["value"])
        for t in placement.tolerations
    )
