"""The order a distillation Job gets: what to train, from what, and the gates that decide whether it may ship."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from edgemodel.document import Digest, Document, Uri, describe
from edgemodel.quantity import parse_quantity
from edgemodel.signature import TrustedKeys

ORDER_VARIABLE = "EDGEMODEL_DISTILL_ORDER"
"""Environment variable of the Job's container that holds the order as JSON."""

Loss = Literal["Plain", "Decoupled"]
Optimizer = Literal["Adam", "SGD"]
Schedule = Literal["Cosine", "Step"]
Quantize = Literal["None", "Static", "Dynamic"]

STUDENTS = ("mlp", "tiny-cnn", "separable", "resnet8", "resnet20")
"""Networks that the Job brings along."""

ARCHITECTURE_PATTERN = (
    rf"^({'|'.join(STUDENTS)}|[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*)$"
)
"""One of them, or `module:callable`: docs/decisions/0023-students-by-import-path.md. CEL knows no escaped point."""

ARCHITECTURE_WANTED = (
    f"want {', '.join(STUDENTS)}, or the import path of a student of your own as module:callable, for example "
    "my_nets:my_net"
)


def _bytes_of(size: Any) -> Any:
    return parse_quantity(size) if isinstance(size, str) else size


def _is_architecture(text: str) -> str:
    if re.fullmatch(ARCHITECTURE_PATTERN, text) is None:
        raise PydanticCustomError("architecture", "{wanted}", {"wanted": ARCHITECTURE_WANTED})
    return text


class OrderError(ValueError):
    """An order that does not parse; the message names each field."""


class Source(Document):
    """An artifact by address and digest."""

    uri: Uri = Field(description="Where the artifact lies: oci://host[:port]/repository, https://… or file://….")
    digest: Digest = Field(description="sha256 digest of its manifest.")


class Student(Document):
    """The network that is trained; input and output shapes come from the teacher."""

    architecture: Annotated[str, AfterValidator(_is_architecture)] = Field(
        default="tiny-cnn",
        max_length=128,
        json_schema_extra={"pattern": ARCHITECTURE_PATTERN},
        description=(
            f"{', '.join(STUDENTS)}, or the import path of a function or class in the Job's image as module:callable, "
            "for example my_nets:my_net; it is called with width, input shape and number of classes."
        ),
    )
    width: int = Field(
        default=16,
        ge=1,
        le=1024,
        description=(
            "mlp: hidden units; the others: channels of the first convolution; a student of your own: what it makes "
            "of it."
        ),
    )


class GateSettings(Document):
    """Bounds that a student must keep on the holdout before it may ship. Sizes in bytes."""

    min_accuracy: float = Field(default=0.9, ge=0, le=1, description="Lowest accuracy on the holdout.")
    max_accuracy_drop: float = Field(
        default=0.01, ge=0, le=1, description="How much accuracy may fall below the serving version's, same holdout."
    )
    min_class_accuracy: float = Field(default=0.7, ge=0, le=1, description="Lowest accuracy of any one class.")
    max_latency_ratio: float = Field(default=1.5, gt=0, le=100, description="Latency over the serving version's.")
    max_size: Annotated[int, BeforeValidator(_bytes_of)] = Field(
        default=2 << 20, ge=1, description="Largest model.onnx in bytes, or as text such as 2Mi."
    )
    min_agreement: float = Field(
        default=0.5, ge=0, le=1, description="Lowest share of the holdout on which student and teacher agree."
    )
    min_edge_agreement: float = Field(
        default=0.5, ge=0, le=1, description="The same of held-out edge samples, where there are 20 or more."
    )
    max_calibration_error: float = Field(
        default=0.3, ge=0, le=1, description="Highest expected calibration error: confidence against accuracy."
    )
    min_drop_p_value: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Refuse a student worse than the serving one with a lower p-value (McNemar); 0 only reports it.",
    )
    min_teacher_accuracy: float = Field(
        default=0.5, ge=0, le=1, description="Lowest accuracy of the teacher on the holdout, else TeacherUnfit."
    )
    min_teacher_confidence: float = Field(
        default=0.6, ge=0, le=1, description="Lowest mean confidence of the teacher on edge samples, else TeacherUnfit."
    )
    min_teacher_agreement: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Lowest share of edge samples where noise does not change the teacher's mind, else TeacherUnfit.",
    )


class Augment(Document):
    """Other views of the training's images, new ones in each epoch; teacher and student see the same view."""

    shift: int = Field(default=0, ge=0, le=64, description="Images move by up to so many pixels.")
    flip: bool = Field(default=False, description="Left and right change places in half of the images.")
    erase: int = Field(default=0, ge=0, le=512, description="A square of so many pixels' side is blanked out.")
    noise: float = Field(
        default=0.25,
        ge=0,
        le=10,
        description="Gaussian noise on unlabelled samples, in their standard deviations; also what the teacher is "
        "judged with.",
    )


class Method(Document):
    """How the student is taught, beyond temperature, alpha, epochs and learning rate."""

    loss: Loss = Field(
        default="Plain",
        description="Soft loss. Plain: KL divergence. Decoupled: what the teacher says of other classes weighs more.",
    )
    optimizer: Optimizer = Field(
        default="Adam", description="Adam, or SGD with momentum, which wants a learningRate near 0.05."
    )
    schedule: Schedule = Field(
        default="Cosine", description="Of the learning rate. Step: a tenth after half and after three quarters."
    )
    warm_up: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Share of the training in which the learning rate, and a decoupled loss, rise; for example 0.1.",
    )
    mixup: float = Field(
        default=0.0, ge=0, le=10, description="Mixes pairs of samples; Beta(mixup, mixup) gives the shares; 0: off."
    )
    average: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Ship a moving average of the weights with this decay per step, for example 0.998; 0: off.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Stop after so many epochs without gain on a part of the training set, and take the best; 0: off.",
    )
    min_confidence: float = Field(
        default=0.0, ge=0, le=1, description="Unlabelled samples of which the teacher is less sure are not trained on."
    )
    augment: Augment = Field(default=Augment(), description="Other views of the training's images.")


class Compress(Document):
    """What is tried to make the trained student smaller and faster; it ships so only where that is a gain."""

    quantize: Quantize = Field(
        default="None",
        description=(
            "int8. Static: weights and activations, calibrated with training samples. Dynamic: dense layers only. "
            "It ships where it passes the gates, is smaller, faster and as accurate; fp32 otherwise."
        ),
    )
    prune: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description=(
            "Share of multiplications to lose by taking channels out, for example 0.5; then it is "
            "trained for as many epochs again. Ships under the same conditions as int8, also in int8."
        ),
    )


class SampleSource(Document):
    """Unlabelled samples that the edge found hard: one tag of the sink per node; tags that do not exist are skipped."""

    sink: Uri
    tags: tuple[str, ...]


class Training(Document):
    """How a student is trained, and what it must reach; all that does not name an artifact."""

    student: Student = Student()
    temperature: Annotated[float, Field(gt=0, le=100)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 5
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    seed: int = 0
    method: Method = Method()
    gates: GateSettings = GateSettings()
    compress: Compress = Compress()


class Order(Training):
    """Everything a distillation needs to know; equal orders give equal students on one machine."""

    name: Annotated[str, Field(min_length=1, max_length=52)]
    """Name of the candidate version."""
    teacher: Source
    dataset: Source
    parent: Source | None = None
    """The serving student: warm start, and what the gates compare with."""
    samples: SampleSource | None = None
    edge: tuple[Source, ...] = ()
    """Further unlabelled samples, by digest: all of them must be there."""
    push: Uri
    """Where an accepted student goes: a repository, or a folder that it then is."""
    trusted_keys: TrustedKeys | None = None
    """Teacher, data set and parent must be signed by one of them; None: nobody needs to sign."""


def parse(text: str | bytes) -> Order:
    """Read an order.

    Raises:
        OrderError: names each field that is wrong.
    """
    try:
        return Order.model_validate_json(text)
    except ValidationError as error:
        raise OrderError(describe(error, "order")) from error
