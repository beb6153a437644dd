"""Which nodes may have pods, and how they run there, in the words that every pod has for it."""

from typing import Annotated, Literal

from pydantic import Field

from edgemodel.document import Document
from edgemodel_operator.api.types import ObjectName

Text63 = Annotated[str, Field(max_length=63)]
LabelKey = Annotated[str, Field(max_length=317)]


class Toleration(Document):
    """A taint that pods tolerate, as in every pod."""

    key: LabelKey | None = Field(default=None, description="Key of the taint; absent with Exists: every taint.")
    operator: Literal["Exists", "Equal"] = Field(default="Equal", description="Exists ignores the value.")
    value: Text63 | None = Field(default=None, description="Value of the taint, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent: every effect."
    )
    toleration_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        default=None, description="How long a pod stays after NoExecute; absent: for ever."
    )


class Scheduling(Document):
    """Part of what says where something runs."""

    node_selector: Annotated[dict[str, Text63], Field(max_length=20)] = Field(
        default={}, description="Labels that a node must carry, for example node-role.kubernetes.io/edge: ''."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=20)] = Field(
        default=(),
        description="Taints that the pods tolerate; serving pods stay on unreachable and not-ready nodes anyway.",
    )
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the pods, for example nvidia, as k3s wants it for GPUs."
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="PriorityClass of the pods, which says whom a full node evicts first."
    )
