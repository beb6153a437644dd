"""An ONNX classifier: arrays in, logits out. Teacher, serving student and candidate are all asked through this."""

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from edgemodel.bundle import Card
from edgemodel_distill.data import Floats
from edgemodel_distill.errors import DistillError
from edgemodel_distill.heartbeat import HEART

BATCH = 256
"""Rows per call when a whole set is asked: bounds the memory of a large teacher's activations."""

_SMALLEST_PROBABILITY = 1e-12
ORT_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""ONNX Runtime's exceptions have no common base."""


class Classifier:
    """A model with one float32 input (batch, *input_shape) and, as first output, scores (batch, classes)."""

    def __init__(self, card: Card, model: bytes, threads: int, invalid: type[DistillError]) -> None:
        """Open `model`, which is what `card` says, on `threads` threads of the CPU.

        Raises:
            DistillError: of the type `invalid`: the card is not a classifier's, or the model does not open, or does
                not do what the card says.
        """
        self.card = card
        self._invalid = invalid
        if len(card.inputs) != 1 or not card.outputs or card.inputs[0].datatype != "FP32":
            raise self._invalid(f"{card.name}: want one FP32 input and an output, got {card.inputs} {card.outputs}")
        if card.output_kind == "other":
            raise self._invalid(f"{card.name}: outputKind: want logits or probabilities, got 'other'")
        self.input_shape = card.inputs[0].shape[1:]
        if not self.input_shape or min(self.input_shape) < 1:
            raise self._invalid(
                f"{card.name}: inputs[0].shape: want fixed sizes after the batch, got {self.input_shape}"
            )
        self._open(model, threads)
        self.classes = self._classes()

    def logits(self, inputs: Floats) -> Floats:
        """Logits (N, classes) for `inputs` (N, *input_shape); of a model that gives probabilities, their logarithm.

        Raises:
            DistillError: of the type `invalid`: the model fails on this input.
        """
        parts = [self._run(inputs[start : start + self._rows]) for start in range(0, len(inputs), self._rows)]
        return np.concatenate(parts) if parts else np.empty((0, self.classes), np.float32)

    def _open(self, model: bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except ORT_ERRORS as error:
            raise self._invalid(f"{self.card.name}: the model does not open: {error!s:.500}") from error
        batch = self._session.get_inputs()[0].shape[:1]
        # Exporters write the batch of their example into the graph, mostly 1, unless they are told otherwise.
        self._fixed = batch[0] if batch and isinstance(batch[0], int) and batch[0] > 0 else 0
        self._rows = self._fixed or BATCH

    def _classes(self) -> int:
        rows = self._fixed or 2
        answer = self._run(np.zeros((rows, *self.input_shape), np.float32))
        if answer.ndim != 2 or answer.shape[0] != rows or answer.shape[1] < 2:  # noqa: PLR2004 (rows of two classes)
            raise self._invalid(
                f"{self.card.name}: outputs[0]: want scores (batch, classes), got {answer.shape} for a batch of {rows}"
            )
        return int(answer.shape[1])

    def _run(self, inputs: Floats) -> Floats:
        output = self.card.outputs[0].name
        HEART.beat()
        missing = max(0, self._fixed - len(inputs))
        if missing:
            inputs = np.concatenate([inputs, np.zeros((missing, *self.input_shape), np.float32)])
        try:
            answer = self._session.run([output], {self.card.inputs[0].name: inputs})[0]
        except (*ORT_ERRORS, ValueError) as error:
            raise self._invalid(f"{self.card.name}: the model fails: {error!s:.500}") from error
        scores: Floats = np.asarray(answer, np.float32)[: len(inputs) - missing]
        if self.card.output_kind == "probabilities":
            return np.log(np.maximum(scores, _SMALLEST_PROBABILITY, dtype=np.float32))
        return scores
