"""A version on its way to the nodes: a canary, then waves, then everyone; each step judged by `step`."""

from datetime import datetime, timedelta

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Decision, Gate, Regression, RolloutWait, VersionState
from edgemodel_operator.api.status import HealRecord, VersionStatus
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.decide import approval, compare
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.evidence import complaints, drifting
from edgemodel_operator.decide.step import Failed, Passed, StepView, Waiting, judge
from edgemodel_operator.decide.versions import bar, serve
from edgemodel_operator.decide.wave import able, choose, heard, last_step, reached, some
from edgemodel_operator.model.observation import Observation

BY_PERSON = "RejectedByPerson"
"""Reason of a version that a person sent back at a gate."""


def advance(observation: Observation, draft: Draft) -> Draft:
    """Choose the step's nodes, judge them, and go on, back, or wait."""
    draft = _choose_nodes(observation, draft)
    rollout = draft.status.rollout
    target = draft.version(rollout.to) if rollout is not None else None
    if rollout is None or target is None:
        return draft.set(rollout=None) if rollout is not None else draft
    view = _view(observation, draft, rollout, target)
    match judge(view):
        case Failed() as failed:
            return _take_back(observation, draft, rollout, target, failed)
        case Passed():
            return _pass(view, draft)
        case Waiting() as waiting:
            return _wait(view, draft, waiting)


def _pass(view: StepView, draft: Draft) -> Draft:
    """The step was good: go on, unless a person is to say so first."""
    observation, rollout, target = view.observation, view.rollout, view.target
    steps = observation.model.spec.rollout.steps
    if last_step(observation, rollout) or not steps[rollout.step].approve:
        return _next_step(view, draft)
    message = f"{target.name} held on {some(reached(observation, rollout))}{_figures(view)}; the next step waits"
    draft, decision = approval.ask(observation, draft, Gate.ROLLOUT_STEP, target.name, message)
    match decision:
        case Decision.APPROVED:
            return _next_step(view, approval.forget(draft, Gate.ROLLOUT_STEP, target.name))
        case Decision.REJECTED:
            draft = approval.forget(draft, Gate.ROLLOUT_STEP, target.name)
            refused = Failed(BY_PERSON, VersionState.REJECTED, "a person rejected it")
            return _take_back(observation, draft, rollout, target, refused)
        case None:
            return _wait(view, draft, Waiting(RolloutWait.APPROVAL, held=True))


def _view(observation: Observation, draft: Draft, rollout: RolloutStatus, target: VersionStatus) -> StepView:
    return StepView(
        rollout=rollout,
        target=target,
        reports=tuple(able(heard(observation, reached(observation, rollout)), target.digest).values()),
        hold=_hold(observation, rollout),
        judge=observation.model.spec.rollout.judge,
        comparison=compare.compare(observation, rollout, target.digest, draft.status.digest),
        complaints=complaints(observation, draft, rollout, target.digest),
        drifting=drifting(observation, draft),
        observation=observation,
    )


def _choose_nodes(observation: Observation, draft: Draft) -> Draft:
    """Nodes stay chosen; those out of sight are made up for by others."""
    rollout = draft.status.rollout
    if rollout is None:
        return draft
    target = draft.version(rollout.to)
    nodes = choose(observation, rollout, "" if target is None else target.digest)
    if nodes != rollout.nodes:
        rollout = rollout.model_copy(update={"nodes": nodes, "held_since": None})
    if rollout.since == observation.now:  # the step begins
        found = compare.baselines(observation, rollout, draft.status.digest)
        rollout = rollout.model_copy(update={"baselines": found})
    return draft.set(rollout=rollout)


def _next_step(view: StepView, draft: Draft) -> Draft:
    observation, rollout, target = view.observation, view.rollout, view.target
    if not last_step(observation, rollout):
        following = rollout.model_copy(
            update={"step": rollout.step + 1, "since": observation.now, "held_since": None, "reason": None}
        )
        whom = "every node" if last_step(observation, following) else f"step {following.step + 1}"
        message = f"{target.name} held on {some(reached(observation, rollout))}{_figures(view)}; next: {whom}"
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
    draft = bar(draft, target, verdict.state, observation, verdict.reason).set(rollout=None)
    draft = _close_redistillation(observation, draft, target.name, Verdict.FAILED)
    if verdict.fault is not None and verdict.fault != rollout.fault:
        # What a comparison found is proved: the old version did better in the same time.
        proved = {"verdict": Verdict.PROVED, "verified_at": now} if verdict.fault in set(Regression) else {}
        heal = HealRecord(
            at=now,
            fault=verdict.fault,
            evidence=verdict.evidence,
            action=ActionType.SWITCH_MODEL,
            from_=target.name,
            to=source,
            **proved,
        )
        draft = draft.add_heal(heal)
    message = (
        f"{target.name} → {source}: {verdict.reason} ({verdict.evidence}); {target.digest} is {verdict.state.value}"
    )
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
    now, rollout = view.observation.now, view.rollout
    held_since = (rollout.held_since or now) if waiting.held else None
    comparison, next_look = compare.refresh(view.observation, rollout.comparison, view.comparison)
    update = {"reason": waiting.reason.value, "held_since": held_since, "comparison": comparison}
    changed = rollout.model_copy(update=update)
    if changed != rollout:
        draft = draft.set(rollout=changed)
    held_until = None if held_since is None else held_since + timedelta(seconds=view.hold)
    for moment in (next_look, held_until, view.judged_at, deadline(view.observation, changed)):
        draft = draft.wake_at(moment) if moment is not None and moment > now else draft
    return draft


def deadline(observation: Observation, rollout: RolloutStatus) -> datetime | None:
    """When a person has to look, if the step goes on as it does; None while it waits for one anyway.

    Time that the user wants a step to be held is no time without progress.
    """
    if rollout.reason == RolloutWait.APPROVAL.value:
        return None
    since = rollout.since
    if rollout.held_since is not None:
        since = rollout.held_since + timedelta(seconds=_hold(observation, rollout))
    return since + timedelta(seconds=observation.model.spec.rollout.progress_deadline)


def _hold(observation: Observation, rollout: RolloutStatus) -> float:
    steps = observation.model.spec.rollout.steps
    return steps[min(rollout.step, len(steps) - 1)].hold if steps else observation.model.spec.healing.settle


def _figures(view: StepView) -> str:
    if view.comparison is None:
        return ""
    return f" ({compare.describe(compare.show(view.observation, view.comparison))})"
