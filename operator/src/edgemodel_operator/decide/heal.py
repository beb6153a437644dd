"""The operator's ladder: act about a blamed fault, prove that it is gone, else climb."""

from datetime import UTC, datetime, timedelta

from edgemodel import ladder
from edgemodel.ladder import Act, ActionType, Attempt, Close, Evidence, Hold, Verdict, Wait
from edgemodel_operator.api.healing import Strategy
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Blame, DistillationPhase, VersionState
from edgemodel_operator.api.status import HEALS_KEPT, DistillationStatus, FaultStatus, HealRecord
from edgemodel_operator.decide.blame import quorum, voters
from edgemodel_operator.decide.distill import UNDER_WAY, heal_of, next_attempt
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, EXONERATED, backup_of, bar, serve
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Observation


def prove(observation: Observation, draft: Draft) -> Draft:
    """Close the open heals that can be judged. Redistillations are closed by their Job or their rollout.

    An alert stays open until the fault is gone: a person has been asked, and is asked once.
    """
    for heal in draft.status.heals:
        if heal.verdict is not None or heal.action is ActionType.REDISTILL:
            continue
        attempt = Attempt(action=heal.action, at=heal.at.timestamp())
        evidence = _evidence(observation, draft, heal.fault)
        match ladder.next_step([heal.action], [attempt], evidence, limits(observation), observation.now.timestamp()):
            case Close(verdict) if verdict is Verdict.PROVED or heal.action is not ActionType.ALERT:
                draft = _close(observation, draft, heal, verdict)
            case Wait(until, _):
                draft = draft.wake_at(datetime.fromtimestamp(until, UTC))
    return draft


def climb(observation: Observation, draft: Draft) -> Draft:
    """Take the next action about each fault that the fleet has; while a rollout is under way nothing else is begun."""
    if not voters(observation, draft):  # what is known of the faults is old news
        return draft
    for fault in draft.status.faults:
        if draft.status.rollout is None and not _busy(draft):
            draft = _climb(observation, draft, fault)
    return draft


def limits(observation: Observation) -> ladder.Limits:
    """The user's limits as the ladder takes them."""
    healing = observation.model.spec.healing
    return ladder.Limits(
        settle=healing.settle,
        min_samples=healing.min_samples,
        cooldown=healing.cooldown,
        max_per_hour=healing.max_per_hour,
    )


def next_for(observation: Observation, draft: Draft, fault: FaultStatus) -> tuple[ladder.Step, list[ActionType]]:
    """The ladder's next step about `fault`, and the actions that apply to it."""
    strategy = observation.model.spec.healing.strategy(fault.name)
    actions = [] if strategy is None else _applicable(observation, draft, fault, strategy)
    attempts = [
        Attempt(action=heal.action, at=heal.at.timestamp(), verdict=_verdict(observation, heal, fault))
        for heal in draft.status.heals
        if heal.fault == fault.name and heal.action in actions
    ]
    evidence = Evidence(active=True)
    return ladder.next_step(actions, attempts, evidence, limits(observation), observation.now.timestamp()), actions


def _verdict(observation: Observation, heal: HealRecord, fault: FaultStatus) -> Verdict | None:
    """A fault that was away for longer than the cooldown is a new one: its ladder begins at the first rung."""
    cooldown = timedelta(seconds=observation.model.spec.healing.cooldown)
    over = heal.verified_at is not None and heal.verified_at + cooldown < fault.since
    return Verdict.PROVED if over else heal.verdict


def _climb(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    if fault.blame not in (Blame.VERSION, Blame.INPUT):
        return draft
    step, actions = next_for(observation, draft, fault)
    match step:
        case Act(index):
            return _act(observation, draft, fault, actions[index])
        case Wait() | Hold() | Close() | ladder.Rest():
            return draft


def _applicable(observation: Observation, draft: Draft, fault: FaultStatus, strategy: Strategy) -> list[ActionType]:
    """What can help: another version only if the version is to blame; a successor only if it is not."""
    backup = backup_of(observation, draft, draft.status.version)
    helps = {
        ActionType.SWITCH_MODEL: fault.blame is Blame.VERSION and backup is not None,
        ActionType.REDISTILL: observation.model.spec.distillation is not None
        and (fault.blame is Blame.INPUT or backup is None),
        ActionType.ALERT: True,
        ActionType.RESTART: False,
    }
    return [action.type for action in strategy.actions if helps[action.type]]


def _act(observation: Observation, draft: Draft, fault: FaultStatus, action: ActionType) -> Draft:
    match action:
        case ActionType.SWITCH_MODEL:
            return _switch(observation, draft, fault)
        case ActionType.REDISTILL:
            return _redistill(observation, draft, fault)
        case _:
            message = f"{fault.name} ({fault.blame.value} is blamed): look at the nodes, then wish another version"
            draft = _record(observation, draft, fault, ActionType.ALERT, draft.status.version)
            return draft.tell("Warning", EventReason.PERSON_NEEDED, message)


def _switch(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    serving = draft.version(draft.status.version)
    backup = backup_of(observation, draft, draft.status.version)
    if serving is None or backup is None:
        return draft
    draft = _record(observation, draft, fault, ActionType.SWITCH_MODEL, backup.name)
    draft = serve(draft, backup, observation)
    draft = bar(draft, serving, VersionState.QUARANTINED, observation, fault.name)
    message = f"{serving.name} → {backup.name}: {fault.name}; {serving.digest} is Quarantined"
    return draft.tell("Warning", EventReason.ROLLED_BACK, message)


def _redistill(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    running = draft.status.distillation
    if running is not None and running.phase in UNDER_WAY:  # a person asked for it: one student at a time
        return draft
    attempt = next_attempt(observation, draft)
    candidate = naming.distilled(attempt)
    started = DistillationStatus(
        phase=DistillationPhase.WAITING_FOR_SAMPLES, attempt=attempt, candidate=candidate, started=observation.now
    )
    draft = _record(observation, draft, fault, ActionType.REDISTILL, candidate).set(distillation=started)
    message = f"{fault.name}: {candidate} is to be distilled ({fault.blame.value} is blamed)"
    return draft.tell("Normal", EventReason.HEAL_STARTED, message)


def _record(observation: Observation, draft: Draft, fault: FaultStatus, action: ActionType, to: str | None) -> Draft:
    alerts = sorted({alert.source for alert in observation.alerts if alert.fault == fault.name})
    heard = f"; alert by {', '.join(alerts)}" if alerts else ""
    heal = HealRecord(
        at=observation.now,
        fault=fault.name,
        evidence=f"{fault.name} on {', '.join(fault.nodes)}; {fault.blame.value} is blamed{heard}",
        action=action,
        from_=draft.status.version,
        to=to,
    )
    return draft.set(heals=(*draft.status.heals, heal)[-HEALS_KEPT:])


def _close(observation: Observation, draft: Draft, heal: HealRecord, verdict: Verdict) -> Draft:
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


def _exonerate(observation: Observation, draft: Draft, heal: HealRecord) -> Draft:
    """A version that had been proved good is not to blame for a fault that its backup shows as well."""
    left = draft.version(heal.from_)
    if left is None or left.proved_at is None or left.state not in BARRED:
        return draft
    for twin in draft.status.versions:
        if twin.digest == left.digest:
            draft = draft.mark(twin.name, VersionState.AVAILABLE, observation.now, EXONERATED)
    return draft


def _evidence(observation: Observation, draft: Draft, fault: str) -> Evidence:
    electorate = voters(observation, draft)
    serving = [report for report in electorate.values() if report.digest == draft.status.digest]
    verdicts = [report.faults.get(fault) for report in serving]
    answered = sum(report.answered for report in serving)
    if verdicts and verdicts.count(True) >= quorum(len(verdicts), len(verdicts)):
        return Evidence(active=True, samples=answered)
    if verdicts and all(verdict is False for verdict in verdicts):
        return Evidence(active=False, samples=answered)
    return Evidence(active=None, samples=answered)


def _busy(draft: Draft) -> bool:
    distillation = draft.status.distillation
    training = distillation is not None and distillation.phase in UNDER_WAY and heal_of(draft.status, distillation)
    proving = any(h.verdict is None and h.action is not ActionType.ALERT for h in draft.status.heals)
    return bool(training) or proving
