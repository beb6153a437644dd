"""`EdgeModel.status.rollout`: a version on its way, and how it does beside the one that it replaces."""

from typing import Annotated

from pydantic import Field

from edgemodel.document import Document
from edgemodel_operator.api.states import RolloutSource
from edgemodel_operator.api.types import Name, Time, Word

CANARIES_KEPT = 1000
"""How many nodes a step before the last has at most: a status names them, and the wish has an entry for each, of some
400 bytes, in a ConfigMap of at most 1 MiB."""
COHORT = 10
"""How many nodes of each side are compared: enough to tell, and few enough to remember."""
BASELINES_KEPT = 2 * COHORT

Baseline = Annotated[str, Field(max_length=256)]


class Estimate(Document):
    """A figure, and the bounds that it lies within by all that was seen; absent: too little was seen."""

    value: float = Field(description="As measured.")
    low: float | None = Field(default=None, description="Not less than this, beyond chance.")
    high: float | None = Field(default=None, description="Not more than this, beyond chance.")


class ComparisonStatus(Document):
    """The new version on the step's nodes beside the old one on others, over the same time."""

    at: Time = Field(description="When it was computed.")
    canary_nodes: int = Field(ge=0, description="Nodes with the new version that were compared; at most 10.")
    control_nodes: int = Field(ge=0, description="Nodes with the old version that were compared; at most 10.")
    canary_requests: int = Field(ge=0, description="Requests that the former answered.")
    control_requests: int = Field(ge=0, description="Requests that the latter answered in that time.")
    latency_ratio: Estimate | None = Field(
        default=None, description="Typical time to answer, new by old; 1.2: a fifth more than before."
    )
    confidence_difference: Estimate | None = Field(
        default=None, description="Mean confidence, new less old; below 0: less confident."
    )
    error_difference: Estimate | None = Field(
        default=None, description="Share of failed requests, new less old; above 0: more of them."
    )


class RolloutStatus(Document):
    """The rollout that is under way."""

    to: Name = Field(description="Name of the version that is rolled out.")
    source: RolloutSource = Field(default=RolloutSource.SPEC, description="Who asked for it.")
    step: int = Field(default=0, ge=0, description="Index of the present step in spec.rollout.steps.")
    since: Time = Field(description="When the present step began.")
    held_since: Time | None = Field(default=None, description="Since when all reachable nodes of the step serve it.")
    fault: Name | None = Field(default=None, description="The fault that it is to heal; absent: none.")
    nodes: Annotated[tuple[Name, ...], Field(max_length=CANARIES_KEPT)] = Field(
        default=(),
        description="Nodes that have the version so far; in the last step, which is for all, the first 1000.",
    )
    reason: Word | None = Field(default=None, description="What is waited for.")
    judged_by: Word | None = Field(
        default=None, description="Hash of spec.health and spec.rollout; another one begins the step anew."
    )
    comparison: ComparisonStatus | None = Field(
        default=None, description="How the version does beside the one that it replaces; absent: nothing to compare."
    )
    baselines: Annotated[dict[Name, Baseline], Field(max_length=BASELINES_KEPT)] | None = Field(
        default=None, description="What nodes had counted when the step began, by node; for the operator."
    )
