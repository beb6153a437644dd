"""Plain files as artifacts: an ONNX file, an .npz, a folder of images become what a Job's order can name."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from edgemodel.bundle import CARD, MANIFEST, Card, Tensor, digest_of
from edgemodel.distillation import Source
from edgemodel_distill import errors, images, tables
from edgemodel_distill.classifier import ORT_ERRORS, Classifier
from edgemodel_distill.data import Shape
from edgemodel_distill.errors import BadOrder, DatasetInvalid, SamplesInvalid, TeacherInvalid, translating
from edgemodel_registry import Client, write_bundle, write_dataset, write_samples
from edgemodel_registry.arrays import Array
from edgemodel_registry.folder import read_card

_GOLDEN_ROWS = 4
_SUM_TOLERANCE = 1e-3
_FLOAT = "tensor(float)"


@dataclass(frozen=True, slots=True)
class Reading:
    """What an ONNX file does not say about itself; None and empty: found out, or not known."""

    labels: Sequence[str] = ()
    input_shape: Shape = ()
    input_scale: float = 1.0
    output_kind: str | None = None


def teacher(path: Path, folder: Path, reading: Reading) -> Source:
    """The bundle at `path`, or one written as `folder` for the ONNX file at `path`.

    Raises:
        TeacherMissing, TeacherInvalid, TeacherMismatch: it is not there, no classifier, or has other classes.
    """
    if path.is_dir():
        return artifact(path, "teacher")
    model = _model(path)
    card = _card(path.stem, model, reading)
    rows = np.random.default_rng(0).random((_GOLDEN_ROWS, *card.inputs[0].shape[1:]), np.float32)
    answers = _answers(card, model, rows)
    _check_labels(reading.labels, answers.shape[1])
    if reading.output_kind is None and _are_probabilities(answers):
        card = card.model_copy(update={"output_kind": "probabilities"})
    golden = {f"input:{card.inputs[0].name}": rows, f"output:{card.outputs[0].name}": answers}
    shutil.rmtree(folder, ignore_errors=True)
    return Source(uri=f"file://{folder}", digest=write_bundle(folder, card, model, golden))


def card_of(source: Source, client: Client, folder: Path) -> Card:
    """The teacher's card, wherever the teacher lies.

    Raises:
        DistillError: names what is wrong.
    """
    with translating("teacher", missing=errors.TeacherMissing, invalid=errors.TeacherInvalid):
        client.pull(source.uri, source.digest, folder, names={CARD})
        card = read_card(folder)
    if not card.inputs or not card.outputs:
        raise TeacherInvalid("teacher: its card names no input, or no output")
    return card


def dataset(path: Path, folder: Path, card: Card) -> Source:
    """The data set at `path`, or one written as `folder` for the file or the folder of images at `path`.

    Raises:
        DatasetMissing, DatasetInvalid: it is not there, or not a data set for this teacher.
    """
    if (path / MANIFEST).is_file():
        return artifact(path, "dataset")
    with translating("dataset", missing=errors.DatasetMissing, invalid=DatasetInvalid):
        if path.is_dir():
            if (classes := card.outputs[0].shape[-1]) > 0:
                _check_labels(card.labels or images.class_names(path), classes)
            known = images.read_labelled(path, card.inputs[0].shape[1:], card.input_scale, card.labels)
            inputs, labels = known.inputs, known.labels
        else:
            arrays = tables.read(path, card)
            inputs, labels = _array(path, arrays, "inputs", "float32"), _array(path, arrays, "labels", "int64")
            _check_shape(path, inputs, card, errors.TeacherMismatch)
        shutil.rmtree(folder, ignore_errors=True)
        return Source(uri=f"file://{folder}", digest=write_dataset(folder, path.stem, inputs, labels))


def samples(path: Path, folder: Path, card: Card) -> Source:
    """The samples at `path`, or an artifact written as `folder` for the file or the folder of images at `path`.

    Raises:
        SamplesMissing, SamplesInvalid: they are not there, or nothing for this teacher.
    """
    if (path / MANIFEST).is_file():
        return artifact(path, "samples")
    with translating("samples", missing=errors.SamplesMissing, invalid=SamplesInvalid):
        inputs = _unlabelled(path, card)
        _check_shape(path, inputs, card, SamplesInvalid)
        shutil.rmtree(folder, ignore_errors=True)
        nobody_asked = np.zeros(len(inputs), np.float32)
        return Source(uri=f"file://{folder}", digest=write_samples(folder, path.stem, inputs, nobody_asked))


def _unlabelled(path: Path, card: Card) -> Array:
    try:
        if path.is_dir():
            return images.read_unlabelled(path, card.inputs[0].shape[1:], card.input_scale)
        return _array(path, tables.read(path, card), "inputs", "float32")
    except DatasetInvalid as error:
        raise SamplesInvalid(str(error)) from error


def artifact(path: Path, what: str) -> Source:
    """The artifact folder at `path`.

    Raises:
        BadOrder: there is none.
    """
    try:
        return Source(uri=f"file://{path}", digest=digest_of((path / MANIFEST).read_bytes()))
    except OSError as error:
        raise BadOrder(f"{what}: {path}: not an artifact's folder: {MANIFEST} is not there") from error


def check_replaceable(path: Path) -> None:
    """Return when nothing of anybody's would be lost if a bundle took the place of `path`.

    Raises:
        BadOrder: something else lies there, or nothing can.
    """
    if path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir())):
        return
    if path.exists():
        raise BadOrder(f"output: {path}: is there already, and is no bundle; choose another folder")
    above = next(folder for folder in path.parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise BadOrder(f"output: {above}: want a folder that can be written: {error.strerror}") from error


def _check_labels(labels: Sequence[str], classes: int) -> None:
    if labels and len(labels) != classes:
        raise errors.TeacherMismatch(
            f"labels: want the names of the teacher's {classes} classes in its order, got {len(labels)}: "
            f"{', '.join(labels)!s:.200}; where the file has no labels they are the sub-folders' names, sorted"
        )


def _model(path: Path) -> bytes:
    """The ONNX file as one piece: PyTorch's exporter writes weights into a second file unless it is told otherwise."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise errors.TeacherMissing(f"teacher: {error}") from error
    try:
        graph = onnx.load_model_from_string(model)
        if not any(uses_external_data(weight) for weight in graph.graph.initializer):
            return model
        load_external_data_for_model(graph, str(path.parent))
        return bytes(graph.SerializeToString())
    except DecodeError:
        return model  # ONNX Runtime says what is wrong
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise TeacherInvalid(f"teacher: {path.name}: its weights lie in another file: {error!s:.300}") from error


def _card(name: str, model: bytes, reading: Reading) -> Card:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise TeacherInvalid(f"teacher: {name}: not an ONNX model that opens: {error!s:.300}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != _FLOAT:
        got = ", ".join(f"{each.name}: {each.type}" for each in inputs)
        raise TeacherInvalid(
            f"teacher: {name}: want one input of tensor(float), a Cast behind it if need be, got {got}"
        )
    shape = reading.input_shape or tuple(side if isinstance(side, int) else -1 for side in inputs[0].shape[1:])
    if not shape or min(shape) < 1:
        raise TeacherInvalid(f"teacher: {name}: its input is {inputs[0].shape}: set inputShape (without the batch)")
    # Classifiers of scikit-learn answer the label first, and the probabilities after it.
    answer = next((each for each in outputs if each.type == _FLOAT and len(each.shape) == 2), outputs[0])  # noqa: PLR2004
    classes = answer.shape[-1] if answer.shape else None
    return Card(
        name=name,
        inputs=(Tensor(name=inputs[0].name, datatype="FP32", shape=(-1, *shape)),),
        outputs=(Tensor(name=answer.name, datatype="FP32", shape=(-1, classes if isinstance(classes, int) else -1)),),
        labels=tuple(reading.labels),
        output_kind=reading.output_kind or "logits",
        input_scale=reading.input_scale,
    )


def _answers(card: Card, model: bytes, rows: Array) -> Array:
    """The first output as it is, logits or not."""
    return Classifier(card.model_copy(update={"output_kind": "logits"}), model, 1, TeacherInvalid).logits(rows)


def _are_probabilities(rows: Array) -> bool:
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=_SUM_TOLERANCE))


def _array(path: Path, arrays: Mapping[str, Any], name: str, dtype: str) -> Array:
    """One array of an .npz; numbers of another width are taken where nothing is lost."""
    try:
        array: Array = np.asarray(arrays[name])
    except KeyError as error:
        raise DatasetInvalid(f"{path}: want an array {name}, got {sorted(arrays)}") from error
    if array.dtype.kind not in ("f" if dtype == "float32" else "iu"):
        how = "scaled as the teacher wants them" if name == "inputs" else "class numbers from 0"
        raise DatasetInvalid(f"{path}: {name}: want {dtype}, {how}, got {array.dtype} {array.shape}")
    return array.astype(dtype)


def _check_shape(path: Path, inputs: Array, card: Card, wrong: type[errors.DistillError]) -> None:
    shape = card.inputs[0].shape[1:]
    if inputs.shape[1:] != shape:
        want = ", ".join(["N", *map(str, shape)])
        raise wrong(f"{path}: inputs: want the teacher's shape, ({want}), got {inputs.shape}")
