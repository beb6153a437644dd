"""Smaller forms of a trained student, as ONNX files."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_dynamic,
    quantize_static,
)
from torch import nn

from edgemodel.distillation import Quantize
from edgemodel_distill import export
from edgemodel_distill.data import Floats, Shape
from edgemodel_distill.export import INPUT
from edgemodel_distill.prune import multiplications

PLAIN = "fp32"
_BATCH = 32

_REDUCE_RANGE = True
"""Weights from -64 to 64. On x86 ONNX Runtime makes all activations unsigned, and without VNNI two products are added
in 16 bits, where 2 * 255 * 127 is cut off: docs/decisions/0016-int8-weights-of-seven-bits.md."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the student by name."""

    name: str
    model: bytes


@dataclass(frozen=True, slots=True)
class Family:
    """A trained network and its forms, the exact one first."""

    network: nn.Module
    macs: int
    forms: tuple[Form, ...]


def family(name: str, network: nn.Module, input_shape: Shape, how: Quantize, calibration: Floats) -> Family:
    """`network` as it is and in int8 where that is wanted; `name` goes before the names of its forms."""
    there = forms(export.to_onnx(network, input_shape), how, calibration)
    return Family(network, multiplications(network, input_shape), tuple(Form(name + f.name, f.model) for f in there))


def forms(model: bytes, how: Quantize, calibration: Floats) -> tuple[Form, ...]:
    """The student as it was exported, and in int8 where that is wanted.

    Args:
        model: an ONNX file from `export.to_onnx`.
        how: Static quantises weights per channel and activations, by the ranges that `calibration` shows, as pairs of
            QuantizeLinear and DequantizeLinear. Dynamic quantises the weights of dense layers, and their inputs anew
            with every call.
        calibration: inputs (N, *shape) like those that it will see, N > 0.
    """
    plain = Form(PLAIN, model)
    match how:
        case "None":
            return (plain,)
        case "Static":
            return plain, Form("int8-static", _static(model, calibration))
        case "Dynamic":
            return plain, Form("int8-dynamic", _dynamic(model))


def _static(model: bytes, calibration: Floats) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantized = _prepare(model, Path(folder)), Path(folder) / "int8.onnx"
        quantize_static(
            prepared,
            quantized,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=_REDUCE_RANGE,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return _checked(quantized)


def _dynamic(model: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        prepared, quantized = _prepare(model, Path(folder)), Path(folder) / "int8.onnx"
        # ONNX Runtime has no integer convolution for signed weights on CPUs.
        quantize_dynamic(
            prepared,
            quantized,
            op_types_to_quantize=["MatMul", "Gemm"],
            reduce_range=_REDUCE_RANGE,
            weight_type=QuantType.QInt8,
        )
        return _checked(quantized)


def _prepare(model: bytes, folder: Path) -> Path:
    exported, prepared = folder / "fp32.onnx", folder / "prepared.onnx"
    exported.write_bytes(model)
    # The symbolic part wants sympy, and these graphs have no shape that needs it.
    quant_pre_process(exported, prepared, skip_symbolic_shape=True)
    return prepared


def _checked(file: Path) -> bytes:
    onnx.checker.check_model(str(file), full_check=True)
    return file.read_bytes()


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime comes without types
    """Hands out the calibration inputs in batches."""

    def __init__(self, inputs: Floats) -> None:
        self._batches: Iterator[Floats] = (inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH))

    def get_next(self) -> dict[str, Floats] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
