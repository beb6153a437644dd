"""What the conditions say that are about people: what waits for one, and what one has paused."""

from edgemodel.ladder import Hold
from edgemodel.verbs import PAUSE
from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.states import Gate
from edgemodel_operator.decide import approval
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.findings import Finding
from edgemodel_operator.decide.heal import is_open_alert, next_for
from edgemodel_operator.model.observation import Observation

_REASON_OF_GATE = {
    Gate.SWITCH_MODEL: Reason.BEFORE_SWITCH,
    Gate.REDISTILL: Reason.BEFORE_REDISTILL,
    Gate.PROMOTE: Reason.BEFORE_PROMOTE,
    Gate.NODE: Reason.NODE_EXHAUSTED,
    Gate.STORM: Reason.HEAL_STORM,
    Gate.ROLLOUT_STEP: Reason.BEFORE_STEP,
}


def _end_of_ladder(observation: Observation, draft: Draft, fault: str) -> Reason:
    if any(is_open_alert(heal, fault) for heal in draft.status.heals):
        return Reason.PERSON_ASKED
    found = next((f for f in draft.status.faults if f.name == fault), None)
    step = None if found is None else next_for(observation, draft, found)[0]
    return Reason.TOO_MANY_HEALS if step == Hold(Reason.TOO_MANY_HEALS.value) else Reason.LADDER_EXHAUSTED


def awaiting_approval(observation: Observation, draft: Draft) -> Finding:
    """Whether something waits for a person, and how they answer."""
    questions = approval.waiting(draft)
    if not questions:
        return ConditionType.AWAITING_APPROVAL, False, Reason.NOTHING_WAITS, "nothing waits for a person"
    reason = _REASON_OF_GATE.get(questions[0].gate) or _end_of_ladder(observation, draft, questions[0].subject)
    told = (f"{question.message}: {approval.how_to_answer(observation, question)}" for question in questions)
    return ConditionType.AWAITING_APPROVAL, True, reason, "; ".join(told)


def paused(observation: Observation) -> Finding:
    """Whether a person wants nothing to be decided."""
    message = f"nothing is decided while the annotation {PAUSE} is there; nodes still heal themselves"
    return ConditionType.PAUSED, observation.paused, Reason.PAUSED_BY_PERSON, message
