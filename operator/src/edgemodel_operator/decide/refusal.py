"""What people see of an EdgeModel about which nothing can be decided."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.status import Condition


def refuse(body: Mapping[str, Any], reason: Reason, message: str, now: datetime) -> dict[str, Any]:
    """The status of an EdgeModel that `message` keeps from being looked after: what was there, and Stalled."""
    status = dict(body.get("status") or {})
    generation = body["metadata"].get("generation", 0)
    conditions = {condition.get("type"): condition for condition in status.get("conditions", [])}
    old = conditions.get(ConditionType.STALLED.value)
    stalled = Condition(
        type=ConditionType.STALLED.value,
        status="True",
        reason=reason.value,
        message=message,
        observed_generation=generation,
        last_transition_time=now if old is None else old["lastTransitionTime"],
    )
    conditions[ConditionType.STALLED.value] = stalled.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**status, "observedGeneration": generation, "conditions": list(conditions.values())}
