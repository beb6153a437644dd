"""Models in memory: a bundle's graph, opened by ONNX Runtime, with its card."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from edgemodel.bundle import CARD, MODEL, BundleError, Card, Tensor, parse_card
from edgemodel.wish import Artifact
from edgemodel_inference.errors import DeviceUnusable, Refused, TooMuchMemory, Unprocessable
from edgemodel_inference.model.devices import PROCESSOR, Choice, Device
from edgemodel_inference.model.sessions import open_session
from edgemodel_inference.v2.datatypes import ONNX
from edgemodel_inference.v2.heads import Heads

Array = NDArray[Any]

ENGINES = "engines"
"""Folder beside a graph for what a device builds from it; goes with the bundle."""

LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises for a graph that it cannot open; its errors have no common base."""

_MEMORY_WORDS = ("bad_alloc", "Failed to allocate memory", "would require more than")

RUN_ERRORS = (*LOAD_ERRORS, ort_errors.EPFail, MemoryError)


@dataclass(frozen=True, slots=True)
class Batching:
    """How many rows are run together (1: each request alone), and why: seconds of one run by its rows."""

    rows: int
    seconds: Mapping[int, float]
    inline: int = 0
    """Requests of up to so many rows are run on the event loop itself: that is quicker than to hand them over."""


ALONE = Batching(1, {})


@dataclass(eq=False, slots=True)
class Model:
    """One opened version. `users` counts the requests that are being answered with it (event loop only)."""

    artifact: Artifact
    card: Card
    session: ort.InferenceSession
    output_names: list[str]
    headers: tuple[tuple[bytes, bytes], ...]
    batching: Batching = ALONE
    device: Choice = PROCESSOR
    users: int = field(default=0)
    heads: Heads = field(default_factory=dict)
    """What requests in binary began with (event loop only)."""

    @property
    def version(self) -> str:
        return self.artifact.name

    @property
    def digest(self) -> str:
        return self.artifact.digest

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """All outputs, in the card's order.

        Raises:
            Unprocessable: the graph fails on these values.
        """
        try:
            outputs: list[Array] = self.session.run(self.output_names, feeds)
        except RUN_ERRORS as error:
            if _wants_memory(error):
                raise TooMuchMemory(f"the model asks for too much memory: {error!s:.300}") from error
            raise Unprocessable(f"the model fails on these values: {error!s:.300}") from error
        return outputs

    def class_scores(self, outputs: Sequence[Array]) -> Array | None:
        """The first output (rows, classes), where it is scores of classes."""
        scores = outputs[0]
        if self.card.output_kind == "other" or scores.ndim != 2 or scores.dtype.kind != "f" or not scores.size:  # noqa: PLR2004 (rows, classes)
            return None
        return scores

    def confidence(self, scores: Array) -> Array:
        """Top class probability of each row of `class_scores`.

        A row whose scores are not finite has confidence 0: nothing is less sure than NaN.
        """
        if self.card.output_kind == "probabilities":
            tops: Array = _finite(scores).max(axis=1)
            return tops
        with np.errstate(invalid="ignore", over="ignore"):
            return _finite(1 / np.add.reduce(_below_top(scores), axis=1))  # the top class' share: exp(0) = 1

    def probabilities(self, outputs: Sequence[Array]) -> Array | None:
        """Class probabilities (rows, classes), or None where the first output is no class scores."""
        scores = self.class_scores(outputs)
        if scores is None:
            return None
        if self.card.output_kind == "probabilities":
            return _finite(scores)
        with np.errstate(invalid="ignore", over="ignore"):
            shares = _below_top(scores)
            return _finite(shares / shares.sum(axis=1, keepdims=True))


def open_model(folder: Path, artifact: Artifact, threads: int, device: Choice = PROCESSOR) -> Model:
    """Open the bundle in `folder` on `device`.

    Raises:
        Refused: the card or the graph cannot be used, or they contradict each other.
        DeviceUnusable: the graph cannot be opened there.
    """
    card = read_card(folder)
    try:
        session = open_session(folder / MODEL, device.used, threads, cache=folder / ENGINES)
    except (*LOAD_ERRORS, ort_errors.EPFail, MemoryError) as error:
        if device.used is not Device.CPU:  # where the jail opened it: this is not the graph's fault
            raise DeviceUnusable(str(error).strip()[-300:]) from error  # lines of C++ come first, and the reason last
        code = "TooMuchMemory" if _wants_memory(error) else "GraphInvalid"
        raise Refused(code, f"{MODEL}: {error!s:.300}") from error
    _check(card.inputs, session.get_inputs(), "inputs")
    _check(card.outputs, session.get_outputs(), "outputs")
    version = re.sub(r"[^\x21-\x7e]", "?", artifact.name)  # a header holds no line ends
    headers = ((b"x-model-version", version.encode()), (b"x-model-digest", artifact.digest.encode()))
    names = [output.name for output in card.outputs]
    return Model(artifact, card, session, names, headers, device=device)


def _wants_memory(error: Exception) -> bool:
    """Whether memory is what was missing: ONNX Runtime says so in words alone, no class of its errors does."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_WORDS)


def read_card(folder: Path) -> Card:
    """The bundle's card.

    Raises:
        Refused: missing, or not what a card is.
    """
    try:
        card = parse_card((folder / CARD).read_bytes())
    except (BundleError, OSError) as error:
        raise Refused("CardInvalid", f"{error!s:.500}") from error
    if not card.inputs or not card.outputs:
        raise Refused("CardInvalid", f"{CARD}: want at least one input and one output")
    return card


def _check(tensors: tuple[Tensor, ...], nodes: list[Any], where: str) -> None:
    graph = {node.name: node for node in nodes}
    if graph.keys() != {tensor.name for tensor in tensors}:
        names = [tensor.name for tensor in tensors]
        raise Refused("CardMismatch", f"{where}: the card names {names}, the graph {sorted(graph)}"[:500])
    for tensor in tensors:
        node = graph[tensor.name]
        if ONNX.get(node.type) != tensor.datatype:
            raise Refused(
                "CardMismatch", f"{where}.{tensor.name}: {tensor.datatype} in the card, {node.type} in the graph"
            )
        if not _compatible(tensor.shape, node.shape):
            raise Refused(
                "CardMismatch", f"{where}.{tensor.name}: {tensor.shape} in the card, {node.shape} in the graph"
            )


def _compatible(card: tuple[int, ...], graph: list[int | str | None]) -> bool:
    """Whether each dimension is the same, or free in one of the two."""
    return len(card) == len(graph) and all(
        not isinstance(g, int) or g < 0 or c < 0 or c == g for c, g in zip(card, graph, strict=True)
    )


def _below_top(scores: Array) -> Array:
    """Softmax's numerators: how each score compares with its row's highest one."""
    below: Array = np.exp(scores - np.maximum.reduce(scores, axis=1, keepdims=True))
    return below


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, values.dtype.type(0))
