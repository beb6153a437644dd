"""What people see of an EdgeModel that does not parse."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.status import Condition


def refuse(body: Mapping[str, Any], message: str, now: datetime) -> dict[str, Any]:
    """The status of an EdgeModel that does not parse: what was there, and a Stalled condition that names each field."""
    status = dict(body.get("status") or {})
    generation = body["metadata"].get("generation", 0)
    others = [c for c in status.get("conditions", []) if c.get("type") != ConditionType.STALLED.value]
    old = next((c for c in status.get("conditions", []) if c.get("type") == ConditionType.STALLED.value), None)
    stalled = Condition(
        type=ConditionType.STALLED.value,
        status="True",
        reason=Reason.INVALID_SPEC.value,
        message=message,
        observed_generation=generation,
        last_transition_time=now if old is None else old["lastTransitionTime"],
    )
    condition = stalled.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**status, "observedGeneration": generation, "conditions": [*others, condition]}
