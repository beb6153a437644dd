"""What the conditions say that are about nodes: which of them answer, what they wait for, which were measured."""

from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide import needs, placement
from edgemodel_operator.decide.findings import UNSIGNED, Finding, grouped
from edgemodel_operator.decide.wave import where
from edgemodel_operator.model.observation import Observation


def ready(observation: Observation, status: Status) -> Finding:
    """Whether every wanted node in sight answers from a verified version."""
    names = sorted(node.name for node in observation.nodes)
    handing_over = placement.handover(observation)
    if handing_over is not None and any(pod.ready for pod in observation.leaving) and placement.awaited(observation):
        return ConditionType.READY, False, Reason.NODES_NOT_READY, f"the placement was changed: {handing_over}"
    if not names:
        wanted = observation.model.spec.placement.node_selector
        return ConditionType.READY, False, Reason.NO_NODES, f"no node matches spec.placement.nodeSelector {wanted}"
    ready = {pod.node for pod in observation.pods if pod.ready}
    lost = [node.name for node in observation.nodes if node.ready is not True]
    waiting = [name for name in names if name not in ready and name not in lost]
    if not ready & set(names):
        if len(lost) == len(names):
            return ConditionType.READY, None, Reason.NOT_OBSERVED, f"out of sight: {', '.join(sorted(lost))}"
        return ConditionType.READY, False, Reason.NOTHING_SERVES, _why_not(observation, status, waiting)
    if waiting:
        return ConditionType.READY, False, Reason.NODES_NOT_READY, _why_not(observation, status, waiting)
    others = _others(observation, status, ready & set(names))
    message = f"{status.version} serves on {len(ready & set(names)) - len(others)} of {len(names)} nodes"
    message += "".join(f"; {version or 'nothing'} on {name}" for name, version in others.items())
    unsigned = {n: r.pending[r.digest] for n, r in observation.reports.items() if r.digest and r.digest in r.pending}
    unsigned = {name: code for name, code in unsigned.items() if code in UNSIGNED}
    if unsigned:
        message += f"; it served before there were trusted keys, and goes on, on {grouped(unsigned)}"
    if lost:
        message += f"; out of sight: {', '.join(sorted(lost))}"
    return ConditionType.READY, True, Reason.SERVING, message


def _others(observation: Observation, status: Status, ready: set[str]) -> dict[str, str | None]:
    """What those of the `ready` nodes serve that serve something else, by name: canaries, and nodes that fell back."""
    reports = {name: observation.reports[name] for name in sorted(ready) if name in observation.reports}
    return {name: report.version for name, report in reports.items() if report.digest != status.digest}


def _why_not(observation: Observation, status: Status, waiting: list[str]) -> str:
    reasons = {}
    held_up = {pod.node: pod.waiting for pod in observation.pods}
    for name in waiting:
        report = observation.reports.get(name)
        refused = report.refused.get(status.digest or "") if report is not None else None
        pending = report.pending.get(status.digest or "") if report is not None else None
        reason = refused or pending or held_up.get(name, "no pod there yet")
        if reason == needs.CREATING:
            reason += needs.words(needs.to_serve(observation.model.spec))
        reasons[name] = reason
    return f"no verified version answers yet on: {grouped(reasons)}"


def reconciling(observation: Observation, status: Status) -> Finding:
    """Whether a wish is being carried out."""
    rollout = status.rollout
    if rollout is not None:
        message = f"{rollout.to} is on {where(observation, rollout)} ({rollout.reason or 'starting'})"
        return ConditionType.RECONCILING, True, Reason.WAITING_FOR_NODES, message
    behind = sorted(
        node.name
        for node in observation.nodes
        if node.ready and (r := observation.reports.get(node.name)) is not None and _behind(r.digest, r.refused, status)
    )
    answering = {pod.node for pod in observation.pods if pod.ready}
    missing = {node.name for node in observation.nodes if node.ready and node.name not in answering}
    waiting = sorted({*behind, *missing})
    message = placement.handover(observation) or f"waiting for {', '.join(waiting)}"
    handing_over = placement.leaving(observation) is not None
    return ConditionType.RECONCILING, bool(waiting) or handing_over, Reason.WAITING_FOR_NODES, message


def _behind(digest: str | None, refused: object, status: Status) -> bool:
    return digest != status.digest and status.digest not in (refused if isinstance(refused, dict) else {})


def telemetry(observation: Observation) -> Finding:
    """Whether every ready node was measured lately."""
    if not observation.reports:
        return ConditionType.TELEMETRY_FRESH, False, Reason.ABSENT, "no node could be measured"
    missing = sorted(n.name for n in observation.nodes if n.ready and n.name not in observation.reports)
    if missing:
        return ConditionType.TELEMETRY_FRESH, False, Reason.STALE, f"not measured lately: {', '.join(missing)}"
    return ConditionType.TELEMETRY_FRESH, True, Reason.FRESH, "every ready node was measured lately"
