"""What the conditions say that are about people: what waits for one, and what one has paused."""

from edgemodel.verbs import PAUSE
from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.states import Gate
from edgemodel_operator.decide import approval
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.findings import Finding
from edgemodel_operator.model.observation import Observation

_REASON_OF_GATE = {
    Gate.SWITCH_MODEL: Reason.BEFORE_SWITCH,
    Gate.REDISTILL: Reason.BEFORE_REDISTILL,
    Gate.PROMOTE: Reason.BEFORE_PROMOTE,
    Gate.ROLLOUT_STEP: Reason.BEFORE_STEP,
    Gate.LADDER: Reason.LADDER_EXHAUSTED,
}


def awaiting_approval(observation: Observation, draft: Draft) -> Finding:
    """Whether something waits for a person, and how they answer."""
    questions = approval.waiting(draft)
    if not questions:
        return ConditionType.AWAITING_APPROVAL, False, Reason.NOTHING_WAITS, "nothing waits for a person"
    told = (f"{question.message}: {approval.how_to_answer(observation, question)}" for question in questions)
    return ConditionType.AWAITING_APPROVAL, True, _REASON_OF_GATE[questions[0].gate], "; ".join(told)


def paused(observation: Observation) -> Finding:
    """Whether a person wants nothing to be decided."""
    message = f"nothing is decided while the annotation {PAUSE} is there; nodes still heal themselves"
    return ConditionType.PAUSED, observation.paused, Reason.PAUSED_BY_PERSON, message
