"""Arrays `inputs` and `labels` out of one file: .npz, .safetensors, or .parquet with numbers or with image files."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors
import safetensors.numpy

from edgemodel.bundle import Card
from edgemodel_distill import images
from edgemodel_distill.data import Floats, Shape
from edgemodel_distill.errors import BadOrder, DatasetInvalid
from edgemodel_registry import ArtifactMissing, TooLarge
from edgemodel_registry.arrays import MAX_BYTES, Array, read_arrays

if TYPE_CHECKING:
    import pyarrow as pa

_ENDINGS = (".npz", ".safetensors", ".parquet")
_INPUTS, _IMAGES, _LABELS = "inputs", ("image", "img"), ("labels", "label")
"""Names of columns; those of images and a single label are what the Hugging Face hub's data sets mostly have."""


def read(path: Path, card: Card) -> dict[str, Array]:
    """The arrays in `path`; images become inputs of the shape and scale that `card`'s model takes.

    Raises:
        ArtifactMissing, ArtifactInvalid, TooLarge, DatasetInvalid: it is not there, or not such a file.
        BadOrder: it is a .parquet file, and the library that reads those is not installed.
    """
    if not path.is_file():
        raise ArtifactMissing(f"{path}: no such file")
    if path.suffix not in _ENDINGS:
        raise DatasetInvalid(f"{path}: want a folder of images, or a file that ends in {', '.join(_ENDINGS)}")
    if path.suffix == ".npz":
        return read_arrays(path)
    if path.stat().st_size > MAX_BYTES:
        raise TooLarge(f"{path.name}: larger than {MAX_BYTES} bytes")
    return _safetensors(path) if path.suffix == ".safetensors" else _parquet(path, card)


def _safetensors(path: Path) -> dict[str, Array]:
    try:
        arrays: dict[str, Array] = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, TypeError) as error:
        raise DatasetInvalid(f"{path}: not a safetensors file that numpy can hold: {error!s:.200}") from error
    return arrays


def _parquet(path: Path, card: Card) -> dict[str, Array]:
    try:
        import pyarrow as pa  # noqa: PLC0415 (optional)
        from pyarrow import parquet  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise BadOrder(f"{path}: to read it, pip install 'edgemodel-distill[parquet]', or make it .npz") from error
    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DatasetInvalid(f"{path}: not a .parquet file that can be read: {error!s:.200}") from error
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    found: dict[str, Array] = {}
    shape = card.inputs[0].shape[1:]
    if _INPUTS in columns:
        found[_INPUTS] = _numbers(path, columns[_INPUTS], shape)
    elif picture := next((name for name in _IMAGES if name in columns), None):
        found[_INPUTS] = _pictures(path, columns[picture].to_pylist(), shape, card.input_scale)
    if label := next((name for name in _LABELS if name in columns), None):
        found[_LABELS[0]] = columns[label].to_numpy(zero_copy_only=False)
    return found


def _numbers(path: Path, column: "pa.Array", shape: Shape) -> Array:
    """A column of lists, nested or flat, as (N, *shape)."""
    count = len(column)
    while hasattr(column, "flatten") and hasattr(column.type, "value_type"):
        column = column.flatten()
    values: Array = column.to_numpy(zero_copy_only=False)
    if values.size != count * int(np.prod(shape)):
        raise DatasetInvalid(f"{path}: inputs: want {shape} numbers a row, got {values.size / max(1, count):g}")
    return values.reshape(count, *shape)


def _pictures(path: Path, rows: Sequence[object], shape: Shape, scale: float) -> Floats:
    """Image files in the rows, as bytes or as {"bytes": …}."""
    read = []
    for number, row in enumerate(rows):
        data = row.get("bytes") if isinstance(row, dict) else row
        if not isinstance(data, bytes):
            raise DatasetInvalid(f"{path}: row {number}: want an image file's bytes, got {type(data).__name__}")
        read.append(images.read(io.BytesIO(data), f"{path}: row {number}", shape))
    if not read:
        raise DatasetInvalid(f"{path}: want images, got none")
    return np.stack(read) / np.float32(scale)
