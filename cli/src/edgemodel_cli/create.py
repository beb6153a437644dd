"""A user's ONNX file to a bundle."""

import math
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgemodel.bundle import Card, Tensor
from edgemodel_cli.errors import BadInput
from edgemodel_cli.golden import choose_inputs, looks_like_probabilities, make_golden
from edgemodel_cli.model import read_model
from edgemodel_registry.arrays import Array
from edgemodel_registry.folder import OUTPUT, write_bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said about the bundle; `output_kind` None means: see what the model answers."""

    name: str
    description: str
    labels: tuple[str, ...]
    output_kind: str | None
    input_scale: float
    golden: str


@dataclass(frozen=True, slots=True)
class Created:
    """What was made."""

    card: Card
    digest: str
    golden_rows: int


def create_bundle(path: Path, wanted: Wanted, folder: Path) -> Created:
    """Write the bundle of the ONNX file at `path` to the new folder `folder`.

    Raises:
        BadInput: says what about the model, the labels or the golden inputs cannot be used.
        RegistryError: `folder` is there already.
    """
    if not 0 < wanted.input_scale < math.inf:
        raise BadInput(f"--input-scale: want a number > 0, for example 255, got {wanted.input_scale:g}")
    model = read_model(path)
    golden = make_golden(model, choose_inputs(model, wanted.golden))
    outputs = tuple(_with_shape(tensor, golden[OUTPUT + tensor.name]) for tensor in model.outputs)
    first = golden[OUTPUT + outputs[0].name]
    _check_labels(wanted.labels, outputs[0])
    try:
        card = Card(
            name=wanted.name,
            description=wanted.description,
            inputs=model.inputs,
            outputs=outputs,
            labels=wanted.labels,
            output_kind=_output_kind(wanted.output_kind, first, outputs[0]),
            input_scale=wanted.input_scale,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(f"--{str(problem['loc'][0]).replace('_', '-')}: {problem['msg']}") from error
    digest = write_bundle(folder, card, model.data, golden)
    return Created(card, digest, len(golden[next(iter(golden))]))


def parse_labels(text: str) -> tuple[str, ...]:
    """``a,b,c``, or the lines of a file.

    Raises:
        BadInput: a file that is not there, or an empty or repeated label.
    """
    if not text:
        return ()
    path = Path(text)
    if "," not in text and ("/" in text or path.suffix or path.is_file()):
        if not path.is_file():
            raise BadInput(f"--labels {text}: no such file")
        labels = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        labels = [label.strip() for label in text.split(",")]
    if "" in labels or len(set(labels)) < len(labels):
        raise BadInput("--labels: want every label once, and none empty")
    return tuple(labels)


def _with_shape(tensor: Tensor, array: Array) -> Tensor:
    """Models need not declare an output's shape; then the golden batch shows it."""
    if len(tensor.shape) == array.ndim:
        return tensor
    return tensor.model_copy(update={"shape": (-1, *array.shape[1:]) if array.ndim else ()})


def _check_labels(labels: tuple[str, ...], output: Tensor) -> None:
    classes = output.shape[-1] if output.shape else 0
    if labels and classes not in {-1, len(labels)}:
        raise BadInput(f"--labels: {len(labels)} labels, and output {output.name!r} has {classes} classes")


def _output_kind(wanted: str | None, array: Array, output: Tensor) -> str:
    distribution = looks_like_probabilities(array)
    if wanted == "probabilities" and not distribution:
        raise BadInput(f"--output-kind probabilities: rows of output {output.name!r} do not sum to 1")
    return wanted or ("probabilities" if distribution else "logits")
