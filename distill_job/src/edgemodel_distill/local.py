"""A distillation without a cluster: a small file that may name plain things, read into the same order as a Job's."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from edgemodel.distillation import Order, Source, Training
from edgemodel.document import Uri, describe
from edgemodel_distill import images, plain
from edgemodel_distill.errors import BadOrder
from edgemodel_registry import Client


class Wanted(Training):
    """What the file says."""

    name: Annotated[str, Field(min_length=1, max_length=52)] = "student"
    teacher: str
    dataset: str
    samples: str | None = None
    parent: str | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes on this machine that train together."""
    output: str | None = None
    push: Uri | None = None
    signing_key: str | None = None
    """File with the private key that an accepted student is signed with."""
    labels: tuple[str, ...] = ()
    """Names of the teacher's classes in their order; otherwise those of the sub-folders of images, sorted."""
    input_shape: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Of one sample; needed where the ONNX file leaves sizes open."""
    input_scale: Annotated[float, Field(gt=0)] = 255.0
    """Pixels are divided by this."""
    output_kind: Literal["logits", "probabilities"] | None = None
    """What the ONNX file answers; absent: found out by asking it."""


def read(file: Path) -> tuple[Wanted, Path]:
    """What `file` wants, and the folder that paths in it are relative to.

    Raises:
        BadOrder: names the line or the field that is wrong.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise BadOrder(f"{file}: want fields such as teacher and dataset; --help shows an example")
        wanted = Wanted.model_validate(document, extra="forbid")
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadOrder(f"{file}: {error}") from error
    except ValidationError as error:
        problems = describe(error, model=Wanted).splitlines()
        raise BadOrder("\n".join(f"{file.name}: {problem}" for problem in problems)) from error
    if (wanted.output is None) == (wanted.push is None):
        raise BadOrder(f"{file.name}: want either output (a folder) or push (oci://…)")
    return wanted, file.resolve().parent


def order_of(wanted: Wanted, folder: Path, work: Path, client: Client) -> Order:
    """The order for `wanted`: what is no artifact yet becomes one under the folder `work`.

    Raises:
        DistillError: names the thing that cannot be used.
    """
    push = wanted.push or f"file://{_output(wanted, folder)}"
    dataset = _place(wanted.dataset, folder)
    labels = wanted.labels
    if not labels and isinstance(dataset, Path) and dataset.is_dir():
        labels = images.class_names(dataset)
    reading = plain.Reading(labels, wanted.input_shape, wanted.input_scale, wanted.output_kind)
    teacher = _place(wanted.teacher, folder)
    if isinstance(teacher, Source) or teacher.is_dir():
        _check_unread(wanted)
    if isinstance(teacher, Path):
        teacher = plain.teacher(teacher, work / "teacher", reading)
    card = plain.card_of(teacher, client, work / "card")
    if isinstance(dataset, Path):
        dataset = plain.dataset(dataset, work / "dataset", card)
    samples = _place(wanted.samples, folder) if wanted.samples is not None else None
    if isinstance(samples, Path):
        samples = plain.samples(samples, work / "samples", card)
    parent = _place(wanted.parent, folder) if wanted.parent is not None else None
    if isinstance(parent, Path):
        parent = plain.artifact(parent, "parent")
    return Order(
        **{name: getattr(wanted, name) for name in Training.model_fields},
        name=wanted.name,
        teacher=teacher,
        dataset=dataset,
        edge=() if samples is None else (samples,),
        parent=parent,
        push=push,
    )


def _check_unread(wanted: Wanted) -> None:
    """A bundle's card says all that; what the file says beside it would do nothing."""
    for name in ("labels", "input_shape", "input_scale", "output_kind"):
        if name in wanted.model_fields_set:
            field = Wanted.model_fields[name].alias or name
            raise BadOrder(f"{field}: is for a teacher that is an ONNX file; of a bundle its card counts: leave it out")


def _output(wanted: Wanted, folder: Path) -> Path:
    path = (folder / (wanted.output or "").removeprefix("file://")).resolve()
    plain.check_replaceable(path)
    return path


def _place(text: str, folder: Path) -> Source | Path:
    """An artifact elsewhere by address and digest, or a path."""
    if text.startswith(("oci://", "https://")):
        uri, _, digest = text.partition("@")
        try:
            return Source(uri=uri, digest=digest)
        except ValidationError as error:
            raise BadOrder(f"{text}: want oci://host/repository@sha256:… with the manifest's digest") from error
    return (folder / text.removeprefix("file://")).resolve()
