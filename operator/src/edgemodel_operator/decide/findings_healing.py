"""What the condition Healing says: what is under proof, and where nothing is done about a fault, why."""

from datetime import timedelta

from edgemodel.ladder import Hold, Wait
from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.states import Blame, Gate
from edgemodel_operator.api.status import FaultStatus
from edgemodel_operator.decide import approval, guard
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.findings import Finding
from edgemodel_operator.decide.heal import next_for
from edgemodel_operator.decide.versions import backup_of
from edgemodel_operator.model.observation import Observation


def healing(observation: Observation, draft: Draft) -> Finding:
    """Whether an action is under proof, and if nothing is done about a fault, why."""
    if guard.storming(draft):
        last_hour = draft.status.healing.last_hour
        message = f"{last_hour} heals in the last hour, {guard.most_heals(observation)} are allowed"
        return ConditionType.HEALING, False, Reason.HEAL_STORM, message
    open_heals = [h for h in draft.status.heals if h.verdict is None]
    acting = [h for h in open_heals if h.action.value != "Alert"]
    if acting:
        heal = acting[-1]
        settled = heal.at + timedelta(seconds=observation.model.spec.healing.settle)
        reason = Reason.SETTLING if observation.now < settled else Reason.WAITING_FOR_EVIDENCE
        reason = Reason.ACTING if heal.action.value == "Redistill" else reason
        return ConditionType.HEALING, True, reason, f"{heal.fault}: {heal.action.value} ({heal.from_} → {heal.to})"
    if any(fault.name == h.fault for h in open_heals for fault in draft.status.faults):
        return ConditionType.HEALING, False, Reason.PERSON_ASKED, "the strategy's next action is a person's"
    for fault in draft.status.faults:
        if fault.blame in (Blame.VERSION, Blame.INPUT):
            reason = _why_nothing(observation, draft, fault)
            why = _NOTHING.get(reason, "nothing more is done by itself now")
            return ConditionType.HEALING, False, reason, f"{fault.name}: {why}"
    return ConditionType.HEALING, False, Reason.NOTHING_TO_HEAL, "no action is under way"


_NOTHING = {
    Reason.NO_BACKUP: "nothing was proved good to fall back to, so the version goes on serving: wish another one",
    Reason.NO_STRATEGY: "no strategy in spec.healing.strategies names it: wish another version, or name it there",
    Reason.ALERT_ANSWERED: "its alert goes on after it was acted upon, and no node reports it: see who sends it",
    Reason.COOLING_DOWN: "it came back within spec.healing.cooldown; the next action waits for that",
    Reason.DELAYED: "the delay of the strategy's next action is not over",
    Reason.NODES_FIRST: "nodes are still trying what comes before the operator's next action",
    Reason.TOO_MANY_HEALS: "spec.healing.maxPerHour is reached: look at the nodes, or wish another version",
    Reason.UNPROVED: "too little was measured to say whether the last action helped: see that requests are answered",
}


def _why_nothing(observation: Observation, draft: Draft, fault: FaultStatus) -> Reason:
    if observation.model.spec.healing.strategy(fault.name) is None:
        return Reason.NO_STRATEGY
    if any(a.subject == fault.name and a.gate is not Gate.LADDER for a in approval.waiting(draft)):
        return Reason.PERSON_ASKED
    if fault.blame is Blame.VERSION and backup_of(observation, draft, draft.status.version) is None:
        return Reason.NO_BACKUP
    step, _ = next_for(observation, draft, fault)
    return Reason(step.reason) if isinstance(step, Hold | Wait) else Reason.LADDER_EXHAUSTED
