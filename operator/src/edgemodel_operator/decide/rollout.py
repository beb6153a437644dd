"""A version on its way to the nodes: a canary, then waves, then everyone; each step judged by the same rules.

A step is an ordered chain of checks over its nodes; the first verdict wins. Nodes out of sight neither block a
step nor vote in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from edgemodel.faults import Severity
from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import CANARIES_KEPT, HEALS_KEPT, HealRecord, RolloutStatus, VersionStatus
from edgemodel_operator.api.types import nodes_of
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import bar, serve
from edgemodel_operator.model.observation import Observation, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step as the checks see it: the reports of its reachable nodes."""

    rollout: RolloutStatus
    target: VersionStatus
    reports: tuple[Report, ...]
    hold: float
    min_samples: int
    critical: frozenset[str]
    observation: Observation


@dataclass(frozen=True, slots=True)
class Failed:
    """The version failed. `fault` is a rule's name; None: the artifact itself was refused, for `reason`."""

    reason: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `held`: all nodes of the step serve the version."""

    reason: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """The step was good."""


Outcome = Failed | Waiting | Passed


def _refused(view: StepView) -> Outcome | None:
    reasons = [r.refused[view.target.digest] for r in view.reports if view.target.digest in r.refused]
    if not reasons:
        return None
    known = view.observation.model.spec.health.rule(reasons[0])
    return Failed(reasons[0], None if known is None else known.name)


def _faulty(view: StepView) -> Outcome | None:
    for report in view.reports:
        active = sorted(f for f, on in report.faults.items() if on and f in view.critical)
        if report.digest == view.target.digest and active:
            return Failed(active[0], active[0])
    return None


def _unseen(view: StepView) -> Outcome | None:
    return None if view.reports else Waiting("WaitingForNodes")


def _not_there(view: StepView) -> Outcome | None:
    return Waiting("WaitingForNodes") if any(r.digest != view.target.digest for r in view.reports) else None


def _holding(view: StepView) -> Outcome | None:
    since = view.rollout.held_since
    if since is None or (view.observation.now - since).total_seconds() < view.hold:
        return Waiting("Holding", held=True)
    return None


def _unproved(view: StepView) -> Outcome | None:
    if sum(report.answered for report in view.reports) < view.min_samples:
        return Waiting("WaitingForEvidence", held=True)
    fault = view.rollout.fault
    if fault is not None and any(report.faults.get(fault) is not False for report in view.reports):
        return Waiting("WaitingForEvidence", held=True)
    return None


CHECKS: tuple[Callable[[StepView], Outcome | None], ...] = (_refused, _faulty, _unseen, _not_there, _holding, _unproved)


def judge(view: StepView) -> Outcome:
    """What the step's nodes say: the first check that has a verdict, else it passed."""
    verdicts = (check(view) for check in CHECKS)
    return next((verdict for verdict in verdicts if verdict is not None), Passed())


def advance(observation: Observation, draft: Draft) -> Draft:
    """Choose the step's nodes, judge them, and go on, back, or wait."""
    draft = _choose_nodes(observation, draft)
    rollout = draft.status.rollout
    target = draft.version(rollout.to) if rollout is not None else None
    if rollout is None or target is None:
        return draft.set(rollout=None) if rollout is not None else draft
    view = _view(observation, rollout, target)
    match judge(view):
        case Failed() as failed:
            return _take_back(observation, draft, rollout, target, failed)
        case Passed():
            return _next_step(observation, draft, rollout, target)
        case Waiting() as waiting:
            return _wait(view, draft, waiting)


def last_step(observation: Observation, rollout: RolloutStatus) -> bool:
    """Whether the rollout has reached everyone."""
    return rollout.step >= len(observation.model.spec.rollout.steps)


def _view(observation: Observation, rollout: RolloutStatus, target: VersionStatus) -> StepView:
    spec = observation.model.spec
    steps = spec.rollout.steps
    step = min(rollout.step, len(steps) - 1)
    return StepView(
        rollout=rollout,
        target=target,
        reports=tuple(observation.reports[node] for node in rollout.nodes if node in observation.reachable),
        hold=steps[step].hold if steps else spec.healing.settle,
        min_samples=spec.rollout.judge.min_samples,
        critical=frozenset(rule.name for rule in spec.health.rules if rule.severity is Severity.CRITICAL),
        observation=observation,
    )


def _choose_nodes(observation: Observation, draft: Draft) -> Draft:
    """Nodes stay chosen; those out of sight are made up for by others."""
    rollout = draft.status.rollout
    if rollout is None:
        return draft
    names = sorted(node.name for node in observation.nodes)
    if last_step(observation, rollout):
        chosen = set(names)
    else:
        wanted = nodes_of(observation.model.spec.rollout.steps[rollout.step].nodes, len(names)) if names else 0
        seen = [name for name in rollout.nodes if name in observation.reachable]
        others = [name for name in observation.reachable if name not in rollout.nodes]
        chosen = {name for name in rollout.nodes if name in names} | set(others[: max(wanted - len(seen), 0)])
    nodes = tuple(sorted(chosen))[:CANARIES_KEPT]
    if nodes == rollout.nodes:
        return draft
    return draft.set(rollout=rollout.model_copy(update={"nodes": nodes, "held_since": None}))


def _next_step(observation: Observation, draft: Draft, rollout: RolloutStatus, target: VersionStatus) -> Draft:
    if not last_step(observation, rollout):
        following = rollout.model_copy(
            update={"step": rollout.step + 1, "since": observation.now, "held_since": None, "reason": None}
        )
        whom = "every node" if last_step(observation, following) else f"step {following.step + 1}"
        message = f"{target.name} held on {', '.join(rollout.nodes)}; next: {whom}"
        draft = draft.set(rollout=following).tell("Normal", EventReason.ROLLOUT_ADVANCED, message)
        return _choose_nodes(observation, draft).wake_at(observation.now)
    source = draft.status.version
    draft = serve(draft, target, observation).set(rollout=None)
    draft = draft.change_version(target.name, proved_at=observation.now)
    draft = _close_redistillation(observation, draft, target.name, Verdict.PROVED)
    message = f"{target.name} serves on every node in sight (before: {source})"
    return draft.tell("Normal", EventReason.ROLLOUT_COMPLETED, message)


def _take_back(
    observation: Observation, draft: Draft, rollout: RolloutStatus, target: VersionStatus, verdict: Failed
) -> Draft:
    now, source = observation.now, draft.status.version
    state = VersionState.REJECTED if verdict.fault is None else VersionState.QUARANTINED
    draft = bar(draft, target, state, observation, verdict.reason).set(rollout=None)
    draft = _close_redistillation(observation, draft, target.name, Verdict.FAILED)
    if verdict.fault is not None and verdict.fault != rollout.fault:
        heal = HealRecord(
            at=now,
            fault=verdict.fault,
            evidence=f"{verdict.fault} on {', '.join(rollout.nodes)} while {target.name} was rolled out",
            action=ActionType.SWITCH_MODEL,
            from_=target.name,
            to=source,
        )
        draft = draft.set(heals=(*draft.status.heals, heal)[-HEALS_KEPT:])
    message = f"{target.name} → {source}: {verdict.reason}; {target.digest} is {state.value}"
    return draft.tell("Warning", EventReason.ROLLED_BACK, message)


def _close_redistillation(observation: Observation, draft: Draft, name: str, verdict: Verdict) -> Draft:
    for heal in draft.status.heals:
        if heal.action is ActionType.REDISTILL and heal.verdict is None and heal.to == name:
            draft = draft.change_heal(heal, verdict=verdict, verified_at=observation.now)
            good = verdict is Verdict.PROVED
            reason = EventReason.HEAL_PROVED if good else EventReason.HEAL_FAILED
            message = f"{heal.fault}: {heal.action.value} ({heal.from_} → {heal.to}): {verdict.value}"
            draft = draft.tell("Normal" if good else "Warning", reason, message)
    return draft


def _wait(view: StepView, draft: Draft, waiting: Waiting) -> Draft:
    now = view.observation.now
    held_since = (view.rollout.held_since or now) if waiting.held else None
    changed = view.rollout.model_copy(update={"reason": waiting.reason, "held_since": held_since})
    if changed != view.rollout:
        draft = draft.set(rollout=changed)
    deadline = changed.since + timedelta(seconds=view.observation.model.spec.rollout.progress_deadline)
    moments = (deadline, *((held_since + timedelta(seconds=view.hold),) if held_since is not None else ()))
    for moment in moments:
        draft = draft.wake_at(moment) if moment > now else draft
    return draft


def overdue(observation: Observation, rollout: RolloutStatus) -> bool:
    """Whether the present step has made no progress within the deadline."""
    return (observation.now - rollout.since).total_seconds() >= observation.model.spec.rollout.progress_deadline
