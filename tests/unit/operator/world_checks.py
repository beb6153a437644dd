"""What must be true whatever happens: the invariants of reliability.md, as far as deciding is concerned."""

from dataclasses import dataclass, field, replace

from edgemodel.wish import Wish
from edgemodel_operator.api.states import DistillationPhase
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Nudge, Plan, WriteStatus
from tests.unit.operator.edge import Edge
from tests.unit.operator.plant import BARRED, IMAGES

PROBE_STEPS = 3
"""Steps (15 s) for which the status may claim what a probe denies."""


@dataclass
class Checks:
    """Judges the world after each tick; remembers what was barred and since when a claim is wrong."""

    barred: set[str] = field(default_factory=set)
    denied: dict[str, int] = field(default_factory=dict)
    """By node: steps for which it has not answered, though the status counts on it."""

    def safe(self, status: Status, wish: Wish | None, edges: dict[str, Edge], live_jobs: list[str]) -> None:
        """One Job; what failed does not serve; what served once serves."""
        assert len(live_jobs) <= 1, f"two live Jobs: {live_jobs}"
        self.barred |= {version.digest for version in status.versions if version.state in BARRED}
        self.barred -= {v.digest for v in status.versions if v.cleared_in and v.state not in BARRED}
        late = wish is not None and wish.revision < status.wish_revision  # its write was refused, and is tried again
        for assignment in [] if wish is None or late else [wish.default, *wish.exceptions.values()]:
            assert assignment is not None, "nodes are told to serve nothing"
            assert assignment.active.digest not in self.barred, f"{assignment.active.name} is barred and wished"
            assert assignment.backup is None or assignment.backup.digest not in self.barred, "a backup is barred"
        for edge in edges.values():
            assert edge.active is not None or not edge.served, f"{edge.name} served once and does not any more"

    def honest(self, status: Status, edges: dict[str, Edge]) -> None:
        """Once per step in which the operator could know: the status claims nothing that a probe denies for long."""
        ready = status.condition("Ready")
        claimed = ready is not None and ready.status == "True"
        more = status.nodes.ready > sum(edge.answers or not edge.in_sight for edge in edges.values())
        silent = [edge.name for edge in edges.values() if edge.in_sight and not edge.answers]
        self.denied = {name: self.denied.get(name, 0) + 1 for name in silent if claimed or more}
        long = [name for name, steps in self.denied.items() if steps > PROBE_STEPS]
        assert not long, f"{ready}, {status.nodes.summary} ready, but {long} do not answer"


def audit(observation: Observation, before: Status, after: Status, new_job: bool) -> None:
    """One tick that was decided on `observation`: it says why, and it takes nothing from figures that are not there."""
    for heal in after.heals:
        assert heal.evidence, f"{heal.action} for no reason"
    for version in after.versions:
        assert version.state not in BARRED or version.reason, f"{version.name} is {version.state} for no reason"
    if before.digest is not None and after.digest != before.digest:
        assert decide(observation, IMAGES).events, f"{before.version} → {after.version} without a word"
    wished = observation.model.spec.find_version(observation.model.spec.version)
    asked = len(after.verbs) > len(before.verbs) or after.verbs[-1:] != before.verbs[-1:]
    if observation.reports or asked or wished is None or wished.digest != before.wished:
        return
    assert after.digest == before.digest, f"{before.version} → {after.version} without telemetry"
    assert _proved(after) == _proved(before), "a heal was proved without telemetry"
    if before.rollout is not None and after.rollout is not None:
        assert after.rollout.step <= before.rollout.step, "a rollout advanced without telemetry"
    decided = before.distillation is not None and before.distillation.phase in (
        DistillationPhase.PENDING,
        DistillationPhase.RUNNING,
    )
    assert decided or not new_job, "a Job was made without telemetry"


def changes(observation: Observation, plan: Plan) -> list[str]:
    """What a plan would change, in short."""
    before, told = dict(observation.model.status), []
    for action in plan.actions:
        after = dict(action.status) if isinstance(action, WriteStatus) else {}
        told += [f"{name}: {before[name]} → {value}" for name, value in after.items() if value != before[name]]
        told += [] if after else [str(action)[:200]]
    return told


def turned(observation: Observation) -> Observation:
    """The same, in another order."""
    return replace(
        observation,
        nodes=observation.nodes[::-1],
        pods=observation.pods[::-1],
        reports=dict(reversed(observation.reports.items())),
        alerts=None if observation.alerts is None else observation.alerts[::-1],
        notices=observation.notices[::-1],
        jobs=observation.jobs[::-1],
        children=dict(reversed(observation.children.items())),
    )


def assert_order_is_irrelevant(observation: Observation) -> None:
    """The same plan, whatever the order of what was seen; nudges come in the order of the pods."""
    first, second = decide(observation, IMAGES), decide(turned(observation), IMAGES)
    assert (first.events, first.wake) == (second.events, second.wake)
    for nudges in (True, False):
        one, two = ([a for a in plan.actions if isinstance(a, Nudge) is nudges] for plan in (first, second))
        assert (set(one) == set(two)) if nudges else (one == two)


def _proved(status: Status) -> list[str]:
    return [f"{heal.at} {heal.fault}" for heal in status.heals if heal.verdict == "Proved"]
