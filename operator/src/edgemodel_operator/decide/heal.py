"""The operator's ladder: act about a blamed fault, prove that it is gone, else climb; the last rung is a person."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from edgemodel import ladder
from edgemodel.ladder import (
    Act,
    ActionType,
    Attempt,
    Close,
    Evidence,
    Hold,
    Verdict,
    Wait,
)
from edgemodel_operator.api.healing import Action
from edgemodel_operator.api.reasons import Reason
from edgemodel_operator.api.states import Blame, Decision, Gate, RolloutWait
from edgemodel_operator.api.status import FaultStatus, HealRecord
from edgemodel_operator.decide import approval, guard
from edgemodel_operator.decide.act import act, close
from edgemodel_operator.decide.alerts import firing
from edgemodel_operator.decide.distill import UNDER_WAY, heal_of
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.evidence import answered, quorum, voters
from edgemodel_operator.decide.last_rung import ask_about_nodes, ask_person, nodes_done
from edgemodel_operator.decide.versions import backup_of
from edgemodel_operator.model.observation import Observation

REFUSABLE = {ActionType.SWITCH_MODEL: Gate.SWITCH_MODEL, ActionType.REDISTILL: Gate.REDISTILL}
"""Actions that a person can be asked about before."""


def prove(observation: Observation, draft: Draft) -> Draft:
    """Close the open heals that can be judged. Redistillations are closed by their Job or their rollout.

    An alert stays open until the fault is gone, or a person says that the ladder goes on.
    """
    for heal in draft.status.heals:
        if heal.verdict is not None or heal.action is ActionType.REDISTILL:
            continue
        attempt = Attempt(action=heal.action, at=heal.at.timestamp())
        evidence = _evidence(observation, draft, heal)
        limits, now = _limits(observation, heal.fault), observation.now.timestamp()
        match ladder.next_step([heal.action], [attempt], evidence, limits, now):
            case Close(verdict) if verdict is Verdict.PROVED or heal.action is not ActionType.ALERT:
                draft = close(observation, draft, heal, verdict)
            case Wait(until, _):
                draft = draft.wake_at(datetime.fromtimestamp(until, UTC))
    return draft


def climb(observation: Observation, draft: Draft) -> Draft:
    """Take the next action about each fault that the fleet has; nothing is begun during a rollout or a storm.

    But about what holds up a rollout, for the version before shows it as well: it may hold it up for ever.
    """
    if guard.storming(draft) or not voters(observation, draft):  # what is known of the faults is old news
        return draft
    for fault in draft.status.faults:
        if _may_begin(draft, fault) and not _busy(draft):
            draft = _climb(observation, draft, fault)
    return draft


def _may_begin(draft: Draft, fault: FaultStatus) -> bool:
    rollout = draft.status.rollout
    return rollout is None or (rollout.reason == RolloutWait.INPUT.value and fault.blame is Blame.INPUT)


def _limits(observation: Observation, fault: str) -> ladder.Limits:
    """The user's limits as the ladder of `fault` takes them; evidence is waited for as nodes do."""
    healing, health = observation.model.spec.healing, observation.model.spec.health
    return ladder.Limits(
        settle=healing.settle,
        min_samples=healing.min_samples,
        patience=ladder.patience(health.rule(fault), health.interval),
        cooldown=healing.cooldown,
        max_per_hour=healing.max_per_hour,
    )


def next_for(observation: Observation, draft: Draft, fault: FaultStatus) -> tuple[ladder.Step, Sequence[Action]]:
    """The ladder's next step about `fault`, and the actions that apply to it.

    Once a person has said that a ladder which came to its end is to begin anew, what was tried before counts no more.
    """
    actions = applicable(observation, draft, fault)
    step = _step(observation, fault, actions, draft.status.heals)
    if answered(observation, draft, fault.name):
        step = Hold(Reason.ALERT_ANSWERED.value)
    asked = approval.find(draft, Gate.LADDER, fault.name)
    if isinstance(step, Hold) and asked is not None and asked.decision is Decision.APPROVED:
        since = [heal for heal in draft.status.heals if asked.decided_at is not None and heal.at >= asked.decided_at]
        step = _step(observation, fault, actions, since)
    due = nodes_done(observation, fault, actions[step.index]) if isinstance(step, Act) else 0.0
    if observation.now.timestamp() < due:
        return Wait(due, "NodesFirst"), actions
    return step, actions


def applicable(observation: Observation, draft: Draft, fault: FaultStatus) -> tuple[Action, ...]:
    """What of the strategy can help and is the operator's to do.

    Another version only if the version is to blame, a successor only if it is not; nothing that a person rejected.
    """
    strategy = observation.model.spec.healing.strategy(fault.name)
    backup = backup_of(observation, draft, draft.status.version)
    helps = {
        ActionType.SWITCH_MODEL: fault.blame is Blame.VERSION and backup is not None,
        ActionType.REDISTILL: observation.model.spec.distillation is not None
        and (fault.blame is Blame.INPUT or (fault.blame is Blame.VERSION and backup is None)),
        ActionType.ALERT: True,
    }
    for type_, gate in REFUSABLE.items():
        asked = approval.find(draft, gate, fault.name)
        helps[type_] = helps[type_] and not (asked is not None and asked.decision is Decision.REJECTED)
    return () if strategy is None else tuple(a for a in strategy.actions if helps.get(a.type, False))


def _step(
    observation: Observation, fault: FaultStatus, actions: Sequence[Action], heals: Sequence[HealRecord]
) -> ladder.Step:
    types = [action.type for action in actions]
    tried = [heal for heal in heals if heal.fault == fault.name and heal.action in types and not heal.nodes]
    attempts = [
        Attempt(action=heal.action, at=heal.at.timestamp(), verdict=_verdict(observation, heal, fault))
        for heal in tried
    ]
    now = observation.now.timestamp()
    step = ladder.next_step(types, attempts, Evidence(active=True), _limits(observation, fault.name), now)
    if isinstance(step, Act) and actions[step.index].delay:
        ended = tried[-1].verified_at if tried else None
        due = max(fault.since, ended or fault.since).timestamp() + actions[step.index].delay
        return Wait(due, "Delayed") if now < due else step
    return step


def _verdict(observation: Observation, heal: HealRecord, fault: FaultStatus) -> Verdict | None:
    """A fault that was away for longer than the cooldown is a new one: its ladder begins at the first rung."""
    cooldown = timedelta(seconds=observation.model.spec.healing.cooldown)
    over = heal.verified_at is not None and heal.verified_at + cooldown < fault.since
    return Verdict.PROVED if over else heal.verdict


def _climb(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    if fault.blame not in (Blame.VERSION, Blame.INPUT, Blame.CLOUD):
        return ask_about_nodes(observation, draft, fault)
    draft = _go_on_after_alert(observation, draft, fault)
    step, actions = next_for(observation, draft, fault)
    match step:
        case Act(index):
            return act(observation, draft, fault, actions[index])
        case Hold(reason) if observation.model.spec.healing.strategy(fault.name) is not None:
            return ask_person(observation, draft, fault, reason, applies=bool(actions))
        case Wait() | Hold() | Close() | ladder.Rest():
            return draft


def _go_on_after_alert(observation: Observation, draft: Draft, fault: FaultStatus) -> Draft:
    """A person was alerted, and has said that the ladder is to go on."""
    asked = approval.find(draft, Gate.LADDER, fault.name)
    open_alerts = [h for h in draft.status.heals if is_open_alert(h, fault.name)]
    if asked is None or asked.decision is not Decision.APPROVED or not open_alerts:
        return draft
    for heal in open_alerts:
        draft = draft.change_heal(heal, verdict=Verdict.FAILED, verified_at=observation.now)
    left = _step(observation, fault, applicable(observation, draft, fault), draft.status.heals)
    return draft if isinstance(left, Hold) else approval.forget(draft, Gate.LADDER, fault.name)


def is_open_alert(heal: HealRecord, fault: str) -> bool:
    """Whether a person was alerted about `fault` and has not said anything yet."""
    return (heal.fault, heal.action, heal.verdict) == (fault, ActionType.ALERT, None)


def _evidence(observation: Observation, draft: Draft, heal: HealRecord) -> Evidence:
    """What the detector that saw the fault says now: the nodes' rule, or the alert where no node has a verdict."""
    fault, electorate = heal.fault, voters(observation, draft)
    serving = [report for report in electorate.values() if report.digest == draft.status.digest]
    verdicts = [report.faults.get(fault) for report in serving]
    requests = sum(report.answered for report in serving)
    if verdicts and verdicts.count(True) >= quorum(len(verdicts), len(verdicts)):
        return Evidence(active=True, samples=requests)
    if verdicts and all(verdict is False for verdict in verdicts):
        return Evidence(active=False, samples=requests)
    if heal.alert_since is not None and verdicts and not any(isinstance(verdict, bool) for verdict in verdicts):
        over = all(alert.fault != fault for alert in firing(observation, draft))
        return Evidence(active=False if over else None, samples=requests)
    return Evidence(active=None, samples=requests)


def _busy(draft: Draft) -> bool:
    """One action at a time is under proof; what waits for a person does not hold up the rest."""
    distillation = draft.status.distillation
    training = distillation is not None and distillation.phase in UNDER_WAY and heal_of(draft.status, distillation)
    proving = any(
        heal.verdict is None
        and heal.action is not ActionType.ALERT
        and approval.find(draft, Gate.PROMOTE, heal.to or "") is None
        for heal in draft.status.heals
    )
    return bool(training) or proving
