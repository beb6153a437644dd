"""What a user asks for: `EdgeModel.spec`. Defaults here are the defaults in the CRD.

Rules that need more than one field are in `checks` (for Python) and `validations` (for the API server).
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from edgemodel.distillation import Compress, GateSettings, Source, Student
from edgemodel.document import Digest, Document, Uri
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel_operator.api.references import CaBundle, PullSecret, Text63, Toleration
from edgemodel_operator.api.types import (
    HOUR,
    MINUTE,
    CpuOrMemory,
    Duration,
    DurationText,
    IntOrPercent,
    OciUri,
    Quantity,
    VersionName,
)

KEYED_BY_NAME: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

FaultName = Annotated[str, Field(min_length=1, max_length=52)]


class Version(Document):
    """One version that may serve. What a name stands for never changes."""

    name: VersionName = Field(description="Name of the version, for example v1; its digest never changes.")
    uri: Uri = Field(description="Where the bundle lies: oci://host[:port]/repository, https://… or file://….")
    digest: Digest = Field(description="sha256 digest of the bundle's manifest, as edgemodel bundle push prints it.")


class Registry(Document):
    """How private registries are reached; mounted into pods and Jobs, never read over the API."""

    pull_secret: PullSecret | None = Field(
        default=None, description="Secret of type kubernetes.io/dockerconfigjson to log in with."
    )
    ca_bundle: CaBundle | None = Field(default=None, description="Certificates to trust besides the public ones.")


class Resources(Document):
    """Requests and limits of one container."""

    limits: Annotated[dict[str, CpuOrMemory], Field(max_length=16)] = Field(
        default={}, description="Most of each resource that the container may use, for example memory: 512Mi."
    )
    requests: Annotated[dict[str, CpuOrMemory], Field(max_length=16)] = Field(
        default={}, description="What the scheduler sets aside for the container, for example cpu: 250m."
    )


class Placement(Document):
    """Where the model serves."""

    mode: Literal["EveryNode", "Replicas"] = Field(
        default="EveryNode",
        description="EveryNode: a pod on each node that matches (DaemonSet). Replicas: that many pods (Deployment).",
    )
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="How many pods; only with mode Replicas, where it must be set. Autoscalers write it."
    )
    node_selector: Annotated[dict[str, Text63], Field(max_length=20)] = Field(
        default={}, description="Labels that a node must carry, for example node-role.kubernetes.io/edge: ''."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=20)] = Field(
        default=(), description="Taints that the pods tolerate besides unreachable and not-ready nodes."
    )
    resources: Resources = Field(default=Resources(), description="Requests and limits of the inference container.")


class Samples(Document):
    """Keeping the inputs the model was least sure of."""

    keep_hardest: int = Field(default=500, ge=1, le=10_000, description="How many inputs each node keeps.")
    sink: OciUri = Field(description="Repository that nodes push them to, for example oci://registry:5000/samples.")


class Serving(Document):
    """How a node serves."""

    threads: int = Field(default=1, ge=1, le=256, description="Threads of the inference session.")
    host_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None,
        description="Port of the node that answers too, for example 8080; needs more than the restricted standard.",
    )
    cache_size: Quantity = Field(
        default=100 << 20, description="Disk for artifacts on each node; what serves and the last good one stay."
    )
    samples: Samples | None = Field(default=None, description="Keep hard inputs for re-distillation; absent: off.")


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


class Action(Document):
    """One rung of a healing ladder."""

    type: ActionType = Field(
        description=(
            "SwitchModel: back to the backup version. Restart: a new worker process. Redistill: train a successor. "
            "Alert: tell a person and wait."
        )
    )
    delay: Duration = Field(default=0.0, description="Time to wait before the action, for example 2s.")
    samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Redistill: how many edge samples must be there first, for example 100."
    )
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Redistill: epochs instead of those of spec.distillation."
    )


class Strategy(Document):
    """What to do about which faults."""

    faults: Annotated[tuple[FaultName, ...], Field(min_length=1, max_length=30)] = Field(
        description="Names of rules in spec.health.rules."
    )
    actions: Annotated[tuple[Action, ...], Field(min_length=1, max_length=10)] = Field(
        description="What is done, in order; each is proved before the next is tried."
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

    def strategy(self, fault: str) -> Strategy | None:
        """The first strategy that names `fault`."""
        return next((strategy for strategy in self.strategies if fault in strategy.faults), None)


class Gates(GateSettings):
    """Bounds that a student must keep on the holdout before it may ship."""

    max_size: Quantity = Field(default=2 << 20, description="Largest model.onnx, for example 2Mi.")

    def settings(self) -> GateSettings:
        """The same bounds as a Job's order has them, sizes in bytes."""
        return GateSettings(**dict(self))


class Distillation(Document):
    """How a successor is trained."""

    teacher: Source = Field(description="Bundle of the teacher, an ONNX model.")
    dataset: Source = Field(description="Artifact with dataset.npz: inputs and labels.")
    student: Student = Field(default=Student(), description="The network that is trained.")
    temperature: float = Field(default=4.0, gt=0, le=100, description="Softens the teacher's and student's outputs.")
    alpha: float = Field(default=0.7, ge=0, le=1, description="Weight of the soft loss; the hard loss has the rest.")
    epochs: int = Field(default=5, ge=1, le=10_000, description="Passes over the training data.")
    learning_rate: float = Field(default=0.001, gt=0, le=10, description="Step size of the optimiser.")
    compress: Compress = Field(default=Compress(), description="What is tried to make the student smaller and faster.")
    gates: Gates = Field(default=Gates(), description="What a student must reach before it may ship.")
    push: OciUri = Field(description="Repository that students are pushed to, for example oci://registry:5000/digits.")
    resources: Resources = Field(default=Resources(), description="Requests and limits of the Job's container.")


class Step(Document):
    """One wave of a rollout."""

    nodes: IntOrPercent = Field(description='How many nodes have the new version after this step: 1 or "50%".')
    hold: Duration = Field(default=60.0, description="How long the step is judged before the next, for example 60s.")


class Judge(Document):
    """When a step counts as good."""

    min_samples: int = Field(
        default=100, ge=1, le=1_000_000, description="Requests that the step's nodes must have answered."
    )


class Rollout(Document):
    """How another version reaches the nodes."""

    steps: Annotated[tuple[Step, ...], Field(max_length=10)] = Field(
        default=(Step(nodes=1, hold=MINUTE), Step(nodes="50%", hold=MINUTE)),
        description="Waves; after the last one every node follows. Empty: every node at once.",
    )
    judge: Judge = Field(default=Judge(), description="What a step must show before the next one.")
    progress_deadline: Annotated[float, DurationText(at_least=10, at_most=24 * HOUR, example="10m")] = Field(
        default=10 * MINUTE, description="Time without progress after which the rollout is Stalled, for example 10m."
    )


class Spec(Document):
    """The whole wish."""

    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=20)] = Field(
        description="What may serve, by name.", json_schema_extra=KEYED_BY_NAME
    )
    registry: Registry = Field(default=Registry(), description="Logins and certificates for private registries.")
    version: VersionName = Field(description="Name of the version that is to serve.")
    backup: VersionName | None = Field(
        default=None, description="Name of the version a rollback goes to; absent: the last one proved good."
    )
    placement: Placement = Field(default=Placement(), description="Where the model serves.")
    serving: Serving = Field(default=Serving(), description="How a node serves.")
    health: Health = Field(default=Health(), description="What counts as a fault.")
    healing: Healing = Field(default=Healing(), description="What may be done about faults.")
    distillation: Distillation | None = Field(
        default=None, description="How a successor is trained; absent: never by itself."
    )
    rollout: Rollout = Field(default=Rollout(), description="How another version reaches the nodes.")

    def find_version(self, name: str) -> Version | None:
        """The version called `name`."""
        return next((version for version in self.versions if version.name == name), None)
