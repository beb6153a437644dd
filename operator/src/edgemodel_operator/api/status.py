"""What the operator found out and decided: `EdgeModel.status`, which is also its only memory."""

from typing import Annotated, Any, Literal

from pydantic import Field, computed_field

from edgemodel.document import Digest, Document
from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.answers import ApprovalStatus, HealingStatus, VerbAnswer
from edgemodel_operator.api.states import (
    Blame,
    DistillationPhase,
    Origin,
    VersionState,
)
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.api.types import Message, Name, Time, Word, first, last

HEALS_KEPT = 20
"""Of the operator's own: they are the memory of its ladders, so those of nodes take no room from them."""
NODE_HEALS_KEPT = 20
VERBS_KEPT = 20
APPROVALS_KEPT = 40
NAMES_SHOWN = 100
"""How many nodes a list that is only shown names; counts are exact."""
ALERTS_KEPT = 100

KEYED_BY_TYPE: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}

ShownNodes = Annotated[tuple[Name, ...], Field(max_length=NAMES_SHOWN), first(NAMES_SHOWN)]
Scores = Annotated[dict[str, float], Field(max_length=20)]


class Condition(Document):
    """One condition, as `kubectl wait` and kstatus read it."""

    type: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="Ready, Degraded, Healing, …")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="One documented CamelCase word.")
    message: Message = Field(default="", description="What, why, and what to do.")
    observed_generation: int = Field(default=0, ge=0, description="Generation of the spec that this is about.")
    last_transition_time: Time = Field(description="When the status flipped last.")


class VersionStatus(Document):
    """One version that is known, wished or distilled."""

    name: Name = Field(description="Name of the version.")
    uri: Annotated[str, Field(max_length=512)] = Field(description="Where its bundle lies.")
    digest: Digest = Field(description="sha256 digest of its manifest.")
    origin: Origin = Field(default=Origin.SPEC, description="Spec: named by a user. Distilled: trained here.")
    state: VersionState = Field(default=VersionState.AVAILABLE, description="What became of it.")
    reason: Word | None = Field(default=None, description="Why it is in this state: a fault's name or a code.")
    since: Time | None = Field(default=None, description="When it came into this state.")
    proved_at: Time | None = Field(
        default=None, description="When it was proved good: it answered enough requests and no fault was active."
    )
    cleared_in: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Revision of the wish in which it was cleared; what nodes refused before counts no more.",
    )
    scores: Scores = Field(default={}, description="What was measured on the holdout, by name.")


class NodeException(Document):
    """A node that serves something else than the rest."""

    name: Name = Field(description="Name of the node.")
    version: Name | None = Field(default=None, description="What it serves; absent: nothing.")
    reason: Word = Field(default="", description="Why: a canary, a fault's name, a code.")
    adopted: Time | None = Field(
        default=None,
        description="Since when it is known that the node went there by itself, that it helped, and stays.",
    )


class NodesStatus(Document):
    """How the nodes are doing."""

    desired: int = Field(default=0, ge=0, description="Nodes (or replicas) that are to serve.")
    ready: int = Field(default=0, ge=0, description="Those that answer from a verified version.")
    updated: int = Field(default=0, ge=0, description="Those that serve what they are to serve.")
    unknown: int = Field(default=0, ge=0, description="Those of which nothing is known.")
    exceptions: Annotated[tuple[NodeException, ...], Field(max_length=NAMES_SHOWN), first(NAMES_SHOWN)] = Field(
        default=(), description="Nodes that differ from the rest; the first 100."
    )

    @computed_field(description="Ready and desired nodes, for example 2/2.")  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def summary(self) -> Annotated[str, Field(max_length=32)]:
        """Ready and desired nodes, for example ``2/2``."""
        return f"{self.ready}/{self.desired}"


class FaultStatus(Document):
    """A fault that is active now."""

    name: Name = Field(description="Name of the rule.")
    nodes: ShownNodes = Field(default=(), description="Nodes that report it; the first 100.")
    since: Time = Field(description="When it was seen first.")
    blame: Blame = Field(description="Whose fault it is.")


class AlertStatus(Document):
    """An alert that the webhook brought. One that is resolved is kept for a while, so that a late copy does nothing."""

    fingerprint: Word = Field(description="Alertmanager's name of its labels.")
    fault: Name = Field(description="Name of the rule.")
    node: Name | None = Field(default=None, description="The node it speaks of; absent: all of them.")
    since: Time = Field(description="When it began, on the sender's clock.")
    heard: Time = Field(description="When it was heard of last, or nearly.")
    resolved: bool = Field(default=False, description="Whether it is over.")


class HealRecord(Document):
    """One action that was taken about a fault, and how it ended."""

    at: Time = Field(description="When it was taken.")
    fault: Name = Field(description="Name of the rule.")
    evidence: Message = Field(default="", description="What was known when it was decided.")
    action: ActionType = Field(description="What was done.")
    rung: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Index of the action in its strategy; absent: it followed none."
    )
    from_: Name | None = Field(default=None, alias="from", description="Version that served before.")
    to: Name | None = Field(default=None, description="Version that serves after.")
    nodes: ShownNodes = Field(
        default=(), description="Nodes that took it by themselves; empty: the operator took it for all."
    )
    alert_since: Time | None = Field(
        default=None,
        description="Start of the newest alert that it answered; an alert that is no newer asks for nothing more.",
    )
    verdict: Verdict | None = Field(default=None, description="How it ended; absent: under proof.")
    verified_at: Time | None = Field(default=None, description="When the verdict was given.")


class DistillationStatus(Document):
    """The distillation that is under way, or the last one."""

    phase: DistillationPhase = Field(description="How far it is.")
    job: Name | None = Field(default=None, description="Name of the Job.")
    attempt: int = Field(default=0, ge=0, description="Number of the Job, counted over the EdgeModel's life.")
    percent: int = Field(default=0, ge=0, le=100, description="How much of the training is done.")
    epoch: int = Field(default=0, ge=0, description="Epochs that are done.")
    candidate: Name | None = Field(default=None, description="Name of the version it makes.")
    reason: Word | None = Field(default=None, description="The Job's code: Accepted, Rejected or an error's.")
    message: Message | None = Field(default=None, description="What is waited for, or what the Job said at its end.")
    started: Time | None = Field(default=None, description="When it was begun.")
    samples: int = Field(default=0, ge=0, description="Edge samples that went in.")
    scores: Scores = Field(default={}, description="What the student scored on the holdout, by name.")


class Status(Document):
    """Everything the operator knows; a restart reads it and goes on."""

    observed_generation: int = Field(default=-1, description="Generation of the spec that this is about; -1: none yet.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=20)] = Field(
        default=(), description="Conditions by type.", json_schema_extra=KEYED_BY_TYPE
    )
    wished: Digest | None = Field(
        default=None, description="Digest of the spec.version that was acted on last; another one starts a rollout."
    )
    version: Name | None = Field(default=None, description="Name of the version that serves.")
    digest: Digest | None = Field(default=None, description="Digest of the version that serves.")
    last_good: Name | None = Field(default=None, description="Name of the last version that was proved good.")
    versions: Annotated[tuple[VersionStatus, ...], Field(max_length=60)] = Field(
        default=(), description="Versions that are known, and what became of them."
    )
    nodes: NodesStatus = Field(default=NodesStatus(), description="How the nodes are doing.")
    selector: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Label selector of the serving pods, for autoscalers."
    )
    faults: Annotated[tuple[FaultStatus, ...], Field(max_length=30)] = Field(
        default=(), description="Faults that are active now."
    )
    alerts: Annotated[tuple[AlertStatus, ...], Field(max_length=ALERTS_KEPT)] = Field(
        default=(), description="Alerts that the webhook brought; empty where Prometheus is asked which ones fire."
    )
    heals: Annotated[
        tuple[HealRecord, ...], Field(max_length=HEALS_KEPT + NODE_HEALS_KEPT), last(HEALS_KEPT + NODE_HEALS_KEPT)
    ] = Field(default=(), description="The last 20 heals by the operator and the last 20 by nodes, newest last.")
    healing: HealingStatus = Field(default=HealingStatus(), description="How much was healed lately.")
    distillation: DistillationStatus | None = Field(
        default=None, description="The distillation under way, or the last one."
    )
    rollout: RolloutStatus | None = Field(default=None, description="The rollout under way.")
    verbs: Annotated[tuple[VerbAnswer, ...], Field(max_length=VERBS_KEPT)] = Field(
        default=(), description="The last 20 answers to what people asked for by annotation, newest last."
    )
    approvals: Annotated[tuple[ApprovalStatus, ...], Field(max_length=APPROVALS_KEPT), first(APPROVALS_KEPT)] = Field(
        default=(), description="What waits for a person, and what a person said of what is still under way."
    )
    wish_revision: int = Field(default=0, ge=0, description="Revision of the wish that was written last.")

    @computed_field(description="First 12 digits of the serving digest.")  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def short_digest(self) -> Annotated[str | None, Field(max_length=12)]:
        """First 12 hexadecimal digits of `digest`."""
        return None if self.digest is None else self.digest.removeprefix("sha256:")[:12]

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    def find_version(self, name: str) -> VersionStatus | None:
        """The version called `name`."""
        return next((version for version in self.versions if version.name == name), None)
