"""The operator's actions about a fault: each recorded as a claim that is to be proved."""

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.healing import Action
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import DistillationPhase, Gate, VersionState
from edgemodel_operator.api.status import DistillationStatus, FaultStatus, HealRecord
from edgemodel_operator.decide import approval
from edgemodel_operator.decide.alerts import firing
from edgemodel_operator.decide.distill import UNDER_WAY, next_attempt, waits_for_turn
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, EXONERATED, backup_of, bar, clear, serve
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Observation


def act(observation: Observation, draft: Draft, fault: FaultStatus, action: Action) -> Draft:
    """Take `action` about `fault`, or ask a person whether it may be taken."""
    match action.type:
        case ActionType.SWITCH_MODEL:
            return _switch(observation, draft, fault, action)
        case ActionType.REDISTILL:
            return _redistill(observation, draft, fault, action)
        case _:
            return _alert(observation, draft, fault, action)


def close(observation: Observation, draft: Draft, heal: HealRecord, verdict: Verdict) -> Draft:
    """Write down how `heal` ended."""
    draft = draft.change_heal(heal, verdict=verdict, verified_at=observation.now)
    message = f"{heal.fault}: {heal.action.value} ({heal.from_} → {heal.to}): {verdict.value}"
    match verdict:
        case Verdict.PROVED:
            return draft.tell("Normal", EventReason.HEAL_PROVED, message)
        case Verdict.UNPROVED:
            return draft.tell("Warning", EventReason.HEAL_UNPROVED, message)
        case Verdict.FAILED:
            draft = draft.tell("Warning", EventReason.HEAL_FAILED, message)
            return _exonerate(observation, draft, heal)


def _switch(observation: Observation, draft: Draft, fault: FaultStatus, action: Action) -> Draft:
    serving = draft.version(draft.status.version)
    backup = backup_of(observation, draft, draft.status.version)
    if serving is None or backup is None:
        return draft
    about = f"{fault.name} on {', '.join(fault.nodes)}: {serving.name} would be left for {backup.name}"
    draft, may = approval.may(observation, draft, Gate.SWITCH_MODEL, fault.name, about)
    if not may:
        return draft
    draft = _record(observation, draft, fault, action, backup.name)
    draft = serve(draft, backup, observation)
    draft = bar(draft, serving, VersionState.QUARANTINED, observation, fault.name)
    message = f"{serving.name} → {backup.name}: {fault.name}; {serving.digest} is Quarantined"
    return draft.tell("Warning", EventReason.ROLLED_BACK, message)


def _redistill(observation: Observation, draft: Draft, fault: FaultStatus, action: Action) -> Draft:
    running = draft.status.distillation
    if running is not None and (
        running.phase in UNDER_WAY
        or waits_for_turn(draft, running)
        or approval.find(draft, Gate.PROMOTE, running.candidate or "")
    ):
        return draft  # one student at a time
    attempt = next_attempt(observation, draft)
    candidate = naming.distilled(attempt)
    about = f"{fault.name} on {', '.join(fault.nodes)} ({fault.blame.value} is blamed): {candidate} would be distilled"
    draft, may = approval.may(observation, draft, Gate.REDISTILL, fault.name, about)
    if not may:
        return draft
    started = DistillationStatus(
        phase=DistillationPhase.WAITING_FOR_SAMPLES,
        attempt=attempt,
        candidate=candidate,
        started=observation.now,
    )
    draft = _record(observation, draft, fault, action, candidate).set(distillation=started)
    message = f"{fault.name}: {candidate} is to be distilled ({fault.blame.value} is blamed)"
    return draft.tell("Normal", EventReason.HEAL_STARTED, message)


def _alert(observation: Observation, draft: Draft, fault: FaultStatus, action: Action) -> Draft:
    draft = approval.forget(draft, Gate.LADDER, fault.name)  # of an earlier round
    draft = _record(observation, draft, fault, action, draft.status.version)
    message = f"{fault.name} ({fault.blame.value} is blamed): look at the nodes, then wish another version"
    return approval.ask(observation, draft, Gate.LADDER, fault.name, message)[0]


def _record(observation: Observation, draft: Draft, fault: FaultStatus, action: Action, to: str | None) -> Draft:
    alerts = [alert for alert in firing(observation, draft) if alert.fault == fault.name]
    heard = f"; alert by {', '.join(sorted({alert.source for alert in alerts}))}" if alerts else ""
    strategy = observation.model.spec.healing.strategy(fault.name)
    heal = HealRecord(
        at=observation.now,
        fault=fault.name,
        evidence=f"{fault.name} on {', '.join(fault.nodes)}; {fault.blame.value} is blamed{heard}",
        action=action.type,
        rung=None if strategy is None else strategy.actions.index(action),
        from_=draft.status.version,
        to=to,
        alert_since=max((alert.since for alert in alerts), default=None),
    )
    return draft.add_heal(heal)


def _exonerate(observation: Observation, draft: Draft, heal: HealRecord) -> Draft:
    """A version that had been proved good is not to blame for a fault that its backup shows as well."""
    left = draft.version(heal.from_)
    if left is None or left.proved_at is None or left.state not in BARRED:
        return draft
    return clear(observation, draft, left, EXONERATED)
