"""Golden batches: inputs with the outputs that the model gave when the bundle was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemodel.bundle import Tensor
from edgemodel_cli.errors import BadInput, NotVerified
from edgemodel_cli.model import Model, numpy_type
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import INPUT, OUTPUT

Array = NDArray[Any]

_LARGEST_RANDOM_INTEGER = 1
"""Random whole numbers are 0 and 1: legal as an index into any table of two rows."""


def choose_inputs(model: Model, golden: str) -> dict[str, Array]:
    """The golden inputs that `golden` asks for: a number of random ones, or an ``.npz`` file.

    Raises:
        BadInput: neither, or inputs that the model does not take.
    """
    if golden.isdecimal():
        if not int(golden):
            raise BadInput("--golden: want at least 1 input")
        rng = np.random.default_rng(0)
        return {tensor.name: _random(tensor, int(golden), rng) for tensor in model.inputs}
    return _read_inputs(model, Path(golden))


def make_golden(model: Model, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of ``golden.npz``: `inputs` and what the model answers to them.

    Raises:
        BadInput: the model fails on them, or answers with NaN or infinity.
    """
    outputs = model.run(inputs)
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadInput(f"{model.name}: output {name!r} has NaN or infinity for the golden inputs")
    return {INPUT + k: v for k, v in inputs.items()} | {OUTPUT + k: v for k, v in outputs.items()}


def looks_like_probabilities(output: Array) -> bool:
    """Whether every row is a distribution over at least two classes."""
    if output.ndim < 2 or output.shape[-1] < 2 or output.dtype.kind != "f":  # noqa: PLR2004 - batch and classes; two
        return False
    return bool((output >= 0).all() and np.allclose(output.sum(axis=-1), 1, atol=1e-3))


def compare(model: Model, golden: Mapping[str, Array], tolerance: float) -> float:
    """Run the golden inputs again and return the largest deviation.

    A value may deviate by `tolerance`, plus `tolerance` times its own size: other machines round in another order.

    Raises:
        NotVerified: names the output and the difference.
        BadInput: the model fails.
    """
    inputs = {name.removeprefix(INPUT): array for name, array in golden.items() if name.startswith(INPUT)}
    largest = 0.0
    for name, got in model.run(inputs).items():
        want = golden[OUTPUT + name]
        if got.shape != want.shape or got.dtype != want.dtype:
            raise NotVerified(f"output {name!r}: want {want.dtype} {want.shape}, got {got.dtype} {got.shape}")
        difference = np.abs(got.astype(np.float64) - want.astype(np.float64))
        worst = float(np.nan_to_num(difference, nan=np.inf).max(initial=0))
        if not np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=tolerance, atol=tolerance):
            where = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
            raise NotVerified(
                f"output {name!r} at {list(where)}: want {want[where]:.6g}, got {got[where]:.6g}; "
                f"differs by up to {worst:.3g}, allowed are {tolerance:g} and {tolerance:g} of the value"
            )
        largest = max(largest, worst)
    return largest


def _random(tensor: Tensor, batch: int, rng: np.random.Generator) -> Array:
    first, *rest = tensor.shape
    if -1 in rest:
        raise BadInput(
            f"input {tensor.name!r} has free dimensions after the batch, {list(tensor.shape)}; "
            "give inputs of a real size: --golden FILE.npz"
        )
    shape = (batch if first == -1 else first, *rest)
    dtype = numpy_type(tensor)
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(0, _LARGEST_RANDOM_INTEGER, shape, endpoint=True).astype(dtype)


def _read_inputs(model: Model, path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise BadInput(f"--golden {path}: no such file, and not a number")
    arrays = {
        name.removeprefix(INPUT): array for name, array in read_arrays(path).items() if not name.startswith(OUTPUT)
    }
    if len(arrays) == len(model.inputs) == 1:
        arrays = {model.inputs[0].name: next(iter(arrays.values()))}
    wanted = {tensor.name for tensor in model.inputs}
    if arrays.keys() != wanted:
        raise BadInput(f"{path}: want an array for each input {sorted(wanted)}, got {sorted(arrays)}")
    for tensor in model.inputs:
        _check_fits(arrays[tensor.name], tensor, path)
    return arrays


def _check_fits(array: Array, tensor: Tensor, path: Path) -> None:
    fits = array.ndim == len(tensor.shape) and all(
        want in {-1, got} for want, got in zip(tensor.shape, array.shape, strict=False)
    )
    if not fits or array.dtype != numpy_type(tensor) or not array.size:
        raise BadInput(
            f"{path}: input {tensor.name!r}: want {numpy_type(tensor)} {list(tensor.shape)}, "
            f"got {array.dtype} {list(array.shape)}"
        )
