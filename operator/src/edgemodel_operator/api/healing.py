"""`spec.health` and `spec.healing`: what counts as a fault, and what may be done about it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from edgemodel.document import Document
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel_operator.api.types import (
    HOUR,
    KEYED_BY_NAME,
    MINUTE,
    Duration,
    DurationText,
    FaultName,
    IntOrPercent,
    ObjectName,
    SecretKey,
    WebhookUrl,
)


class Health(Document):
    """What counts as a fault."""

    interval: Annotated[float, DurationText(at_least=1, at_most=HOUR, example="10s")] = Field(
        default=10.0, description="Time between two samples of every metric, for example 10s."
    )
    rules: Annotated[tuple[Rule, ...], Field(max_length=30)] = Field(
        default=(), description="Fault rules, by name.", json_schema_extra=KEYED_BY_NAME
    )

    def rule(self, name: str) -> Rule | None:
        """The rule called `name`."""
        return next((rule for rule in self.rules if rule.name == name), None)


class WebhookKey(Document):
    """The key that a webhook's body is signed with, in a Secret of the EdgeModel's namespace."""

    name: ObjectName = Field(description="Name of the Secret; it is mounted into the pods.")
    key: SecretKey = Field(default="key", description="Which of its entries.")


class Webhook(Document):
    """A program of the user's that a pod asks to do something about a fault."""

    url: WebhookUrl = Field(description="Whom the pod asks by POST, for example https://boxes.plant.example/reboot.")
    secret: WebhookKey = Field(description="What the body is signed with, as https://www.standardwebhooks.com has it.")
    timeout: Annotated[float, DurationText(at_least=0.1, at_most=30, example="5s")] = Field(
        default=5.0, description="Time for one try, for example 5s."
    )
    retries: int = Field(default=2, ge=0, le=5, description="Further tries where nobody answers, or with 5xx or 429.")


class Action(Document):
    """One rung of a healing ladder."""

    type: ActionType = Field(
        description=(
            "SwitchModel: back to the backup version. Restart: a new worker process. ClearCache: what neither serves "
            "nor stands by goes from the node's disk, what does is read again. Webhook: the node asks a program of "
            "yours. Redistill: train a successor. Alert: tell a person and wait."
        )
    )
    delay: Duration = Field(default=0.0, description="Time to wait before the action, for example 2s.")
    samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Redistill: how many edge samples must be there first, for example 100."
    )
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Redistill: epochs instead of those of spec.distillation."
    )
    webhook: Webhook | None = Field(default=None, description="Webhook: whom the node asks.")


class Strategy(Document):
    """What to do about which faults."""

    faults: Annotated[tuple[FaultName, ...], Field(min_length=1, max_length=30)] = Field(
        description="Names of rules in spec.health.rules."
    )
    actions: Annotated[tuple[Action, ...], Field(min_length=1, max_length=10)] = Field(
        description="What is done, in order; each is proved before the next is tried."
    )


class Approval(StrEnum):
    """What waits for a person's word."""

    NEVER = "Never"
    BEFORE_REDISTILL = "BeforeRedistill"
    BEFORE_PROMOTE = "BeforePromote"
    ALWAYS = "Always"


class FleetGuard(Document):
    """How much of the fleet may heal itself at a time."""

    max_concurrent: IntOrPercent = Field(
        default="25%",
        description='Nodes that may take Restart, ClearCache or Webhook in one turn of 10 s, for example 1 or "25%".',
    )
    min_serving: IntOrPercent = Field(
        default="51%",
        description='Nodes that are to go on serving meanwhile, for example 3 or "51%"; a share is rounded down.',
    )
    max_heals_per_node: int = Field(
        default=3,
        ge=1,
        le=60,
        description="Heals in an hour, the mean of all nodes (10 in all are always allowed); then healing stops.",
    )


class Healing(Document):
    """What may be done about faults, and when it counts as proved."""

    strategies: Annotated[tuple[Strategy, ...], Field(max_length=30)] = Field(
        default=(), description="The first strategy that names a fault is the one that is followed."
    )
    settle: Duration = Field(default=60.0, description="Time after an action before it is judged, for example 60s.")
    min_samples: int = Field(
        default=30, ge=1, le=1_000_000, description="Answered requests after an action before it can count as proved."
    )
    cooldown: Duration = Field(default=5 * MINUTE, description="Time between two heals of one fault, for example 5m.")
    max_per_hour: int = Field(
        default=4, ge=1, le=60, description="Heals of one fault in an hour; then a person decides."
    )
    fleet_guard: FleetGuard = Field(default=FleetGuard(), description="How much of the fleet may heal at a time.")
    approval: Approval = Field(
        default=Approval.NEVER,
        description=(
            "What waits for a person's edgemodel.dev/approve. Never: nothing. BeforeRedistill: a training. "
            "BeforePromote: a student's first node. Always: both, and the rollback of a blamed version. "
            "What nodes do by themselves never waits."
        ),
    )

    def strategy(self, fault: str) -> Strategy | None:
        """The first strategy that names `fault`."""
        return next((strategy for strategy in self.strategies if fault in strategy.faults), None)
