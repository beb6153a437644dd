"""`spec.distillation` and `spec.rollout`: how a successor is made, and how it reaches the nodes."""

from typing import Annotated

from pydantic import Field

from edgemodel.distillation import Compress, GateSettings, Method, Source, Student
from edgemodel.document import Document
from edgemodel_operator.api.references import SigningSecret, VolumeClaim
from edgemodel_operator.api.scheduling import Scheduling
from edgemodel_operator.api.serving import Resources
from edgemodel_operator.api.types import (
    HOUR,
    MINUTE,
    Duration,
    DurationText,
    IntOrPercent,
    OciUri,
    Quantity,
)


class Gates(GateSettings):
    """Bounds that a student must keep on the holdout before it may ship."""

    max_size: Quantity = Field(default=2 << 20, description="Largest model.onnx, for example 2Mi.")

    def settings(self) -> GateSettings:
        """The same bounds as a Job's order has them, sizes in bytes."""
        return GateSettings(**dict(self))


class Distillation(Scheduling):
    """How a successor is trained."""

    teacher: Source = Field(description="Bundle of the teacher, an ONNX model.")
    dataset: Source = Field(description="Artifact with dataset.npz: inputs and labels.")
    volume: VolumeClaim | None = Field(
        default=None,
        description=(
            "Mounted into the Job at /data, read-only: teacher and dataset may lie there, for example "
            "file:///data/digits. Absent: nothing is mounted."
        ),
    )
    checkpoints: VolumeClaim | None = Field(
        default=None,
        description=(
            "Where a Job keeps its work until it has a result: a pod that is killed, evicted or lost with its node is "
            "followed by one that goes on after the last whole epoch. Many EdgeModels may share a claim. Absent: it "
            "begins anew."
        ),
    )
    student: Student = Field(default=Student(), description="The network that is trained.")
    temperature: float = Field(default=2.0, gt=0, le=100, description="Softens the teacher's and student's outputs.")
    alpha: float = Field(default=0.9, ge=0, le=1, description="Weight of the soft loss; the hard loss has the rest.")
    epochs: int = Field(default=5, ge=1, le=10_000, description="Passes over the training data.")
    learning_rate: float = Field(default=0.002, gt=0, le=10, description="Step size of the optimiser.")
    method: Method = Field(default=Method(), description="How the student is taught.")
    compress: Compress = Field(default=Compress(), description="What is tried to make the student smaller and faster.")
    gates: Gates = Field(default=Gates(), description="What a student must reach before it may ship.")
    sample_deadline: Annotated[float, DurationText(at_least=60, at_most=24 * HOUR, example="1h")] = Field(
        default=HOUR,
        description=(
            "Time to wait for the samples that an action of spec.healing asks for, for example 1h; then the "
            "distillation has failed and the next action is tried."
        ),
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=16,
        description=(
            "Pods that train one student together, each with its part of every batch; resources are for each of them. "
            "More than one pays where the teacher is large, or a GPU is too small for a batch."
        ),
    )
    push: OciUri = Field(description="Repository that students are pushed to, for example oci://registry:5000/digits.")
    signing_secret: SigningSecret | None = Field(
        default=None,
        description="Private key that students are signed with; mounted into the Job. Absent: they are not signed.",
    )
    resources: Resources = Field(
        default=Resources(),
        description=(
            "Requests and limits of the Job's container; limits.cpu, rounded down, is also how many threads it has. "
            "Without it one."
        ),
    )


class Step(Document):
    """One wave of a rollout."""

    nodes: IntOrPercent = Field(description='How many nodes have the new version after this step: 1 or "50%".')
    hold: Duration = Field(default=60.0, description="How long the step is judged before the next, for example 60s.")
    approve: bool = Field(
        default=False, description="Whether a person must approve this step, once it was good, before the next one."
    )


class Judge(Document):
    """When a step counts as good: no fault by spec.health.rules, and no worse than the version that it replaces.

    Both versions are compared over the same time, each node with what it was like before; see docs/rollout.md.
    """

    min_samples: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Requests that the step's nodes must have answered, and the other nodes to be compared with.",
    )
    max_latency_ratio: float = Field(
        default=1.5, ge=1, le=100, description="Most that answers may take of the time that they took before: 1.5."
    )
    max_confidence_drop: float = Field(
        default=0.05, ge=0, le=1, description="Most that the mean confidence may be below the old version's: 0.05."
    )
    max_error_increase: float = Field(
        default=0.01, ge=0, le=1, description="Most that the share of failed requests may be above the old one's: 0.01."
    )


class Rollout(Document):
    """How another version reaches the nodes."""

    steps: Annotated[tuple[Step, ...], Field(max_length=10)] = Field(
        default=(Step(nodes=1, hold=MINUTE), Step(nodes="50%", hold=MINUTE)),
        description="Waves; after the last one every node follows. Empty: every node at once.",
    )
    judge: Judge = Field(default=Judge(), description="What a step must show before the next one.")
    progress_deadline: Annotated[float, DurationText(at_least=10, at_most=24 * HOUR, example="10m")] = Field(
        default=10 * MINUTE,
        description=(
            "Time without progress, beyond a step's hold, after which the rollout is Stalled, for example 10m. "
            "It is not taken back for that: nothing bad is known of it."
        ),
    )
