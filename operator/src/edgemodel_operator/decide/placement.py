"""When spec.placement.mode was changed: the workload of the other mode serves until the new one's pods are ready."""

from edgemodel_operator.model.naming import WORKLOADS
from edgemodel_operator.model.observation import Observation


def leaving(observation: Observation) -> str | None:
    """The kind of the workload of the other mode, where it is still there."""
    mode, name = observation.model.spec.placement.mode, observation.model.name
    kinds = (kind for other, kind in WORKLOADS.items() if other != mode)
    return next((kind for kind in kinds if (kind, name) in observation.children), None)


def retired(observation: Observation) -> str | None:
    """The kind of the workload that goes now; None: there is none, or it is still needed."""
    kind = leaving(observation)
    if kind is None or (_serves(observation) and not _no_room(observation) and awaited(observation)):
        return None
    return kind


def awaited(observation: Observation) -> tuple[str, ...]:
    """What must be ready before the old workload goes: nodes in sight, or replicas by number."""
    ready = {pod.node for pod in observation.pods if pod.ready}
    placement = observation.model.spec.placement
    if placement.mode == "EveryNode":
        names = sorted(node.name for node in observation.nodes if node.ready)
        return tuple(name for name in names if name not in ready) if names else ("a node that the placement selects",)
    missing = (placement.replicas or 0) - len(ready)
    return (f"{missing} of {placement.replicas} replicas",) if missing > 0 else ()


def handover(observation: Observation) -> str | None:
    """What is waited for while both workloads serve, in words; None: nothing is."""
    kind = leaving(observation)
    if kind is None:
        return None
    if _no_room(observation):
        return (
            f"the {kind} goes at once, for spec.serving.hostPort leaves no room for both: nodes do not answer meanwhile"
        )
    return f"the {kind} serves until all are ready; waiting for {', '.join(awaited(observation)) or 'nothing more'}"


def _serves(observation: Observation) -> bool:
    """Pods of the old workload answer, or may do so where nobody sees them."""
    return any(pod.ready is not False for pod in observation.leaving)


def _no_room(observation: Observation) -> bool:
    """Two pods cannot have one port of a node."""
    return observation.model.spec.serving.host_port is not None
