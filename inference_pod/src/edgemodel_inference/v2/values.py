"""Values from callers as arrays: of one type, in range, finite. Pure."""

import struct
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemodel_inference.errors import BadRequest
from edgemodel_inference.v2.datatypes import NAMES, VALUE_TYPES

Array = NDArray[Any]

MAX_RANK = 16


def array_of(data: list[Any], dtype: "np.dtype[Any]", where: str, *, truths: bool = True) -> Array:
    """A list of numbers, nested or not, as an array of `dtype` with the nesting's shape.

    The values' types are looked at one by one: numpy would take text and None for numbers, and give a list of
    texts as many bytes per item as the longest one has.

    Args:
        data: values as JSON has them.
        dtype: of the array.
        where: they stood, for messages.
        truths: whether true or false may be among them; without them, floats take a third of the time.

    Raises:
        BadRequest: not numbers, ragged, too deep, or beyond the datatype's range.
    """
    values, shape = _flatten(data, where)
    array = None if truths or dtype.kind != "f" else _floats(values, dtype)
    if array is None:
        array = _looked_at(values, dtype, where)
    need_finite(array, where)
    return array.reshape(shape)


def not_finite(flat: Array) -> int | None:
    """Index of the first value that is NaN or infinite."""
    if flat.dtype.kind != "f":
        return None
    index = np.isfinite(flat).tobytes().find(0)
    return index if index >= 0 else None


def need_finite(flat: Array, where: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        BadRequest: says where the first one is.
    """
    index = not_finite(flat)
    if index is not None:
        raise BadRequest(f"{where}: want finite {NAMES[flat.dtype]} values, number {index} is {flat[index]}")


def _looked_at(values: list[Any], dtype: "np.dtype[Any]", where: str) -> Array:
    name = NAMES[dtype]
    if not set(map(type, values)) <= VALUE_TYPES[dtype.kind]:
        raise BadRequest(f"{where}: want {name} values only")
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=dtype)
    except OverflowError as error:
        raise BadRequest(f"{where}: a value is beyond the range of {name}") from error


def _floats(values: list[Any], dtype: "np.dtype[Any]") -> Array | None:
    """`values` without a look at each one's type: None where one is no number, for which true and false would pass."""
    try:
        doubles = struct.pack(f"{len(values)}d", *values)
    except (struct.error, OverflowError):
        return None
    with np.errstate(over="ignore"):
        return np.frombuffer(doubles).astype(dtype)


def _flatten(data: list[Any], where: str) -> tuple[list[Any], tuple[int, ...]]:
    shape = [len(data)]
    while data and type(data[0]) is list:
        width = len(data[0])
        if len(shape) == MAX_RANK or not all(type(row) is list and len(row) == width for row in data):
            raise BadRequest(f"{where}: want equally long lists, at most {MAX_RANK} deep")
        shape.append(width)
        data = list(chain.from_iterable(data))
    return data, tuple(shape)
