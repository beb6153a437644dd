"""The candidate as a bundle: made in a folder, and pushed. The only network writes of the Job."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgemodel.bundle import STUDENT, Card, Lineage, Scores, Tensor
from edgemodel.distillation import Order
from edgemodel_distill import errors, export
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats
from edgemodel_distill.errors import translating
from edgemodel_registry import Client, RegistryError, write_bundle
from edgemodel_registry.signing import SigningKey, sign_folder

GOLDEN_ROWS = 8

_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Exported:
    """The trained student as files: ONNX to serve, safetensors for the next warm start."""

    model: bytes
    weights: bytes
    report: Mapping[str, bytes]
    """Files for people."""


def describe(order: Order, recipe: Recipe, teacher: Classifier, samples: tuple[str, ...]) -> Card:
    """The candidate's card, all but its scores."""
    return Card(
        name=order.name,
        description=f"{order.student.architecture} of width {order.student.width}, distilled from {teacher.card.name}",
        inputs=(Tensor(name=export.INPUT, datatype="FP32", shape=(-1, *teacher.input_shape)),),
        outputs=(Tensor(name=export.OUTPUT, datatype="FP32", shape=(-1, teacher.classes)),),
        labels=teacher.card.labels,
        output_kind="logits",
        input_scale=teacher.card.input_scale,
        lineage=Lineage(
            teacher=order.teacher.digest,
            dataset=order.dataset.digest,
            samples=samples,
            parent=order.parent.digest if order.parent is not None else None,
            config=recipe.dump(),
            code_version=version("edgemodel-distill"),
        ),
    )


def complete(card: Card, form: str, scores: Scores) -> Card:
    """The card of the form that ships."""
    lineage = card.lineage.model_copy(update={"config": {**(card.lineage.config or {}), "form": form}})
    return card.model_copy(update={"scores": scores, "lineage": lineage})


def pack(folder: Path, card: Card, exported: Exported, examples: Floats) -> str:
    """Write the candidate's bundle as `folder`, in place of an earlier one, and return its digest.

    The first few of `examples` become the golden batch.
    """
    shutil.rmtree(folder, ignore_errors=True)
    batch = np.ascontiguousarray(examples[:GOLDEN_ROWS])
    # One thread, as an edge node has it: its answers are compared with these.
    golden = {
        f"input:{export.INPUT}": batch,
        f"output:{export.OUTPUT}": Classifier(card, exported.model, 1, errors.InternalError).logits(batch),
    }
    return write_bundle(folder, card, exported.model, golden, {STUDENT: exported.weights, **exported.report})


def publish(folder: Path, digest: str, uri: str, client: Client, key: SigningKey | None) -> None:
    """Push the bundle under a tag of its own, which keeps a registry's clean-up from taking it; or make it a folder.

    It is signed first, where there is a key, and what is tagged is signed. The manifest goes after all that it names,
    so whatever breaks, the registry has the whole candidate or none.

    Raises:
        DistillError: see `edgemodel_distill.errors`.
    """
    if key is not None:
        sign_folder(folder, key)
    if uri.startswith(_FILE):
        _place(folder, Path(uri.removeprefix(_FILE)))
        return
    with translating("push", missing=errors.RegistryRefused, invalid=errors.InternalError):
        client.push(folder, uri, tags=[_tag("distilled", digest)])


def keep(folder: Path, digest: str, uri: str, client: Client) -> str:
    """Push a refused bundle to be looked at, unsigned, under a tag that says so; where it is, for people.

    Where `uri` is no registry it stays in `folder`. A registry that does not take it changes no verdict.
    """
    if uri.startswith(_FILE):
        return ""
    tag = _tag("refused", digest)
    try:
        client.push(folder, uri, tags=[tag])
    except RegistryError as error:
        return f"; it could not be kept to be looked at: {error}"
    return f"; to be looked at it is {uri}:{tag}"


def _tag(word: str, digest: str) -> str:
    return f"{word}-{digest.removeprefix('sha256:')[:16]}"


def _place(folder: Path, to: Path) -> None:
    """Copy the bundle beside `to`, then let it take the place of an earlier one."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as beside:
        new, old = Path(beside) / "new", Path(beside) / "old"
        shutil.copytree(folder, new)
        try:
            if to.exists():
                to.rename(old)
            new.rename(to)
        finally:
            if old.exists() and not to.exists():  # SIGTERM came in between
                old.rename(to)
