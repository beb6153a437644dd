"""Golden samples: a small batch of inputs and the outputs that the bundle's author got for them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgemodel.bundle import GOLDEN, Card
from edgemodel_inference.errors import Refused
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.v2.datatypes import NUMPY
from edgemodel_inference.v2.tensors import fits
from edgemodel_registry import RegistryError
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import INPUT, OUTPUT, check_golden

MAX_BYTES = 64 * 1024 * 1024
RTOL, ATOL = 1e-2, 1e-3
"""Outputs differ in the last bits between processors and versions of ONNX Runtime, int8 models by more."""


def read_golden(folder: Path, card: Card) -> dict[str, Array]:
    """The arrays of ``golden.npz``.

    Raises:
        Refused: missing, unreadable, or not those that the card asks for.
    """
    try:
        golden = read_arrays(folder / GOLDEN, MAX_BYTES)
        check_golden(card, golden)
    except (RegistryError, OSError) as error:
        raise Refused("GoldenInvalid", str(error)) from error
    golden = {name: array.astype(np.object_) if array.dtype.kind == "U" else array for name, array in golden.items()}
    for tensor in card.inputs:
        array = golden[INPUT + tensor.name]
        if array.dtype != NUMPY.get(tensor.datatype) or not fits(array.shape, tensor):
            raise Refused("GoldenInvalid", f"{tensor.name}: want {tensor.datatype} {tensor.shape}, got {array.shape}")
    return golden


def inputs_of(golden: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs among `golden`, by the names that the graph has for them."""
    return {name.removeprefix(INPUT): array for name, array in golden.items() if name.startswith(INPUT)}


def compare(model: Model, golden: Mapping[str, Array]) -> None:
    """Run the golden inputs and return when the outputs are the golden ones.

    Raises:
        Refused: names the output that differs.
        Unprocessable: the model fails on its own golden inputs.
    """
    outputs = model.run(inputs_of(golden))
    for name, got in zip(model.output_names, outputs, strict=True):
        want = golden[OUTPUT + name]
        if got.shape != want.shape or got.dtype.kind != want.dtype.kind:
            raise Refused("GoldenMismatch", f"{name}: want {want.dtype} {want.shape}, got {got.dtype} {got.shape}")
        if got.dtype.kind == "O":
            if not np.array_equal(got, want):
                raise Refused("GoldenMismatch", f"{name}: differs from the golden output")
        elif not np.isfinite(got).all():
            raise Refused("NotFinite", f"{name}: NaN or infinity for a golden input")
        elif not np.allclose(got, want, rtol=RTOL, atol=ATOL):
            raise Refused("GoldenMismatch", f"{name}: differs from the golden output by up to {_gap(got, want):.3g}")


def _gap(got: Array, want: Array) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.max(np.abs(got.astype(np.float64) - want.astype(np.float64))))
