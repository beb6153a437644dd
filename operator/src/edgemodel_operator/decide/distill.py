"""A distillation from the wish to the verdict: wait for samples, run one Job, take its result."""

import math
from datetime import timedelta
from itertools import count

from edgemodel.ladder import ActionType, Verdict
from edgemodel.outcome import Outcome
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import (
    Decision,
    DistillationPhase,
    Gate,
    Origin,
    RolloutSource,
    RolloutWait,
    VersionState,
)
from edgemodel_operator.api.status import DistillationStatus, HealRecord, Status, VersionStatus
from edgemodel_operator.api.types import format_duration
from edgemodel_operator.decide import approval, needs
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, bar, start_rollout, stop_rollout
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Job, Observation

RUNNING = frozenset({DistillationPhase.PENDING, DistillationPhase.RUNNING})
SCORES_KEPT = 20
PERCENT_STEP = 5
TOO_FEW_SAMPLES = "TooFewSamples"
UNDER_WAY = RUNNING | {DistillationPhase.WAITING_FOR_SAMPLES}
AWAITS_ROLLOUT = "RolloutUnderWay"
"""Reason of a student that waits until another version's rollout has ended."""


def follow(observation: Observation, draft: Draft) -> Draft:
    """Take the distillation under way one step further."""
    distillation = draft.status.distillation
    if distillation is None:
        return draft
    if distillation.phase is DistillationPhase.WAITING_FOR_SAMPLES:
        return _gather(observation, draft, distillation)
    if distillation.phase in RUNNING:
        return _watch(observation, draft, distillation)
    student = draft.version(distillation.candidate)
    if student is not None and student.state in BARRED:  # it may have failed under another of its names meanwhile
        return _close(observation, draft, distillation)
    asked = approval.find(draft, Gate.PROMOTE, distillation.candidate or "") is not None
    if asked or waits_for_turn(draft, distillation):
        return _promote(observation, draft, distillation)
    return draft


def next_attempt(observation: Observation, draft: Draft) -> int:
    """Number of the next distillation; no version has the name that it gives."""
    last = draft.status.distillation.attempt if draft.status.distillation is not None else 0
    taken = {version.name for version in observation.model.spec.versions}
    taken |= {version.name for version in draft.status.versions}
    return next(number for number in count(last + 1) if naming.distilled(number) not in taken)


def waits_for_turn(draft: Draft, distillation: DistillationStatus) -> bool:
    """Whether its student waits until another version's rollout has ended."""
    student = draft.version(distillation.candidate)
    return student is not None and student.reason == AWAITS_ROLLOUT


def parent_of(status: Status) -> VersionStatus | None:
    """What a student begins from and is compared with: what serves, or what a user wishes and is on its way."""
    rollout = status.rollout
    wished = rollout.to if rollout is not None and rollout.source is RolloutSource.SPEC else status.version
    return None if wished is None else status.find_version(wished)


def heal_of(status: Status, distillation: DistillationStatus) -> HealRecord | None:
    """The heal that the distillation serves."""
    wanted = (heal for heal in status.heals if heal.action is ActionType.REDISTILL)
    return next((heal for heal in wanted if heal.verdict is None and heal.to == distillation.candidate), None)


def epochs_of(observation: Observation, heal: HealRecord | None) -> int | None:
    """Epochs that the strategy asks for instead of those of spec.distillation."""
    return None if heal is None else _setting(observation, heal, "epochs")


def _gather(observation: Observation, draft: Draft, distillation: DistillationStatus) -> Draft:
    heal = heal_of(draft.status, distillation)
    if heal is None or observation.model.spec.distillation is None:
        return _fail(observation, draft, distillation, "Superseded", "the spec no longer asks for it")
    if not observation.reports:  # absent figures train nothing
        return draft
    wanted = _setting(observation, heal, "samples") or 0
    if observation.model.spec.serving.samples is None:
        wanted = 0
    there = sum(report.samples for report in observation.reports.values())
    changed = distillation.model_copy(update={"samples": there})
    if there < wanted:
        return _wait_for_samples(observation, draft, changed, wanted)
    job = naming.job(observation.model.name, observation.model.uid, distillation.attempt)
    changed = changed.model_copy(update={"phase": DistillationPhase.PENDING, "job": job, "message": None})
    message = f"{job}: {distillation.candidate} from {there} edge samples"
    return draft.set(distillation=changed).tell("Normal", EventReason.DISTILLATION_STARTED, message)


def _wait_for_samples(observation: Observation, draft: Draft, distillation: DistillationStatus, wanted: int) -> Draft:
    """Samples may never come, and the fault is there meanwhile: the next action has its turn then."""
    settings = observation.model.spec.distillation
    if settings is None or distillation.started is None:
        return draft
    until = distillation.started + timedelta(seconds=settings.sample_deadline)
    there = f"{distillation.samples} of {wanted} edge samples"
    if observation.now >= until:
        limit = format_duration(settings.sample_deadline)
        message = f"{there} within spec.distillation.sampleDeadline ({limit}): ask for fewer, or wait longer"
        return _fail(observation, draft, distillation, TOO_FEW_SAMPLES, message)
    changed = distillation.model_copy(update={"message": f"{there}; they are waited for until {until:%H:%M:%S} UTC"})
    return draft.set(distillation=changed).wake_at(until)


def _watch(observation: Observation, draft: Draft, distillation: DistillationStatus) -> Draft:
    job = next((job for job in observation.jobs if job.name == distillation.job), None)
    if job is None:
        return draft
    if job.awaited_until is not None:
        return draft.wake_at(job.awaited_until)
    if not job.finished:
        return _progress(observation, draft, distillation, job)
    outcome = job.outcome
    if outcome is not None and outcome.accepted:
        return _accept(observation, draft, distillation, job)
    if outcome is not None and outcome.code == "Rejected":
        return _reject(observation, draft, distillation, outcome)
    code = outcome.code if outcome is not None else "NoResult"
    return _fail(observation, draft, distillation, code, outcome.message if outcome is not None else job.message)


def _progress(observation: Observation, draft: Draft, distillation: DistillationStatus, job: Job) -> Draft:
    """What a running Job says of itself goes into the status in steps that people see, and never backwards."""
    update: dict[str, object] = {"message": needs.of_job(job, observation.model.spec)}
    training = observation.training
    if job.running:
        update["phase"] = DistillationPhase.RUNNING
    if job.running and training is not None and training.candidate == distillation.candidate:
        step = PERCENT_STEP if distillation.phase is DistillationPhase.RUNNING else 0
        if training.percent >= distillation.percent + step:
            update |= {"percent": training.percent, "epoch": training.epoch}
    changed = distillation.model_copy(update=update)
    return draft if changed == distillation else draft.set(distillation=changed)


def _accept(observation: Observation, draft: Draft, distillation: DistillationStatus, job: Job) -> Draft:
    outcome, wanted = job.outcome, observation.model.spec.distillation
    if outcome is None or outcome.digest is None or distillation.candidate is None or wanted is None:
        return _fail(observation, draft, distillation, "Superseded", "the spec no longer asks for it")
    if any(version.state in BARRED for version in draft.names_of(outcome.digest)):
        return _fail(observation, draft, distillation, "KnownBad", f"{outcome.digest} failed before")
    scores = {name: score for name, score in sorted(outcome.scores.items())[:SCORES_KEPT] if math.isfinite(score)}
    candidate = VersionStatus(
        name=distillation.candidate,
        uri=wanted.push,
        digest=outcome.digest,
        origin=Origin.DISTILLED,
        state=VersionState.AVAILABLE,
        since=observation.now,
        scores=scores,
    )
    update = {
        "phase": DistillationPhase.ACCEPTED,
        "reason": outcome.code,
        "message": outcome.message or None,
        "samples": outcome.edge_samples,
        "scores": scores,
        "percent": 100,
    }
    others = tuple(v for v in draft.status.versions if v.name != candidate.name)
    draft = draft.set(versions=(*others, candidate), distillation=distillation.model_copy(update=update))
    draft = draft.tell("Normal", EventReason.DISTILLATION_ACCEPTED, f"{candidate.name}: {candidate.digest}")
    return _promote(observation, draft, distillation)


def _promote(observation: Observation, draft: Draft, distillation: DistillationStatus) -> Draft:
    """Bring the student to its first node, once a person has said yes where one is asked.

    Another version's rollout ends first, but where it waits for just what the student is to heal.
    """
    student, rollout, heal = (
        draft.version(distillation.candidate),
        draft.status.rollout,
        heal_of(draft.status, distillation),
    )
    if student is None:
        return draft
    if rollout is not None and (heal is None or rollout.reason != RolloutWait.INPUT.value):
        return draft.mark(student.name, VersionState.AVAILABLE, observation.now, AWAITS_ROLLOUT)
    scores = ", ".join(f"{name} {score:.4g}" for name, score in list(student.scores.items())[:6])
    about = f"{student.name} passed its gates ({scores or 'no scores'}) and would go to its first node"
    draft, may = approval.may(observation, draft, Gate.PROMOTE, student.name, about)
    if may:
        if rollout is not None and heal is not None:
            message = f"{rollout.to} → {draft.status.version}: both show {heal.fault}, which {student.name} is to heal"
            draft = stop_rollout(observation, draft, rollout).tell("Normal", EventReason.ROLLED_BACK, message)
        fault = None if heal is None else heal.fault
        return start_rollout(observation, draft, student, RolloutSource.DISTILLED, fault)
    asked = approval.find(draft, Gate.PROMOTE, student.name)
    if asked is None or asked.decision is not Decision.REJECTED:
        return draft
    draft = bar(draft, student, VersionState.REJECTED, observation, "RejectedByPerson")
    return _close(observation, draft, distillation)


def _reject(observation: Observation, draft: Draft, distillation: DistillationStatus, outcome: Outcome) -> Draft:
    failed = (f"{gate.name}: {gate.words()}" for gate in outcome.gates if not gate.passed)
    why = outcome.message or ", ".join(failed)  # the message says also where the student can be looked at
    update = {"phase": DistillationPhase.REJECTED, "reason": "Rejected", "message": why, "percent": 100}
    draft = draft.set(distillation=distillation.model_copy(update=update))
    draft = _close(observation, draft, distillation)
    return draft.tell("Warning", EventReason.DISTILLATION_REJECTED, f"{distillation.candidate}: {why}")


def _fail(observation: Observation, draft: Draft, distillation: DistillationStatus, code: str, message: str) -> Draft:
    update = {"phase": DistillationPhase.FAILED, "reason": code, "message": message or None}
    draft = draft.set(distillation=distillation.model_copy(update=update))
    draft = _close(observation, draft, distillation)
    return draft.tell("Warning", EventReason.DISTILLATION_FAILED, f"{distillation.candidate}: {code}: {message}")


def _close(observation: Observation, draft: Draft, distillation: DistillationStatus) -> Draft:
    heal = heal_of(draft.status, distillation)
    if heal is None:
        return draft
    message = f"{heal.fault}: {heal.action.value} ({heal.from_} → {heal.to}): {Verdict.FAILED.value}"
    draft = draft.change_heal(heal, verdict=Verdict.FAILED, verified_at=observation.now)
    return draft.tell("Warning", EventReason.HEAL_FAILED, message)


def _setting(observation: Observation, heal: HealRecord, name: str) -> int | None:
    strategy = observation.model.spec.healing.strategy(heal.fault)
    actions = () if strategy is None else strategy.actions
    own = actions[heal.rung : heal.rung + 1] if heal.rung is not None else ()
    action = next((action for action in (*own, *actions) if action.type is ActionType.REDISTILL), None)
    value: int | None = None if action is None else getattr(action, name)
    return value
