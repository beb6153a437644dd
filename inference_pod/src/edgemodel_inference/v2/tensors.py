"""Tensors of a request against those that the model has, however they travelled. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.v2.datatypes import NUMPY
from edgemodel_inference.v2.texts import pack_texts, parse_texts
from edgemodel_inference.v2.values import MAX_RANK, Array, array_of, need_finite

MAX_TENSORS = 256
NO_CLASSES = "not offered; POST /predict gives labels"
"""To whoever asks for Triton's classification extension."""


def fits(shape: Sequence[int], tensor: Tensor) -> bool:
    """Whether `shape` is one that `tensor` may have; −1 fits any size from 1 on."""
    return len(shape) == len(tensor.shape) and all(
        want == got or (want < 0 and got > 0) for want, got in zip(tensor.shape, shape, strict=True)
    )


def need_tensor(name: object, tensors: Mapping[str, Tensor], feeds: Collection[str], where: str) -> Tensor:
    """The tensor called `name`, which must not be among `feeds` yet.

    Raises:
        BadRequest: there is none, or it came twice.
    """
    tensor = tensors.get(name) if isinstance(name, str) else None
    if tensor is None or tensor.name in feeds:
        raise BadRequest(f"{where}.name: want each of {sorted(tensors)} once, got {name!r:.80}")
    return tensor


def need_shape(datatype: object, shape: object, tensor: Tensor, where: str) -> tuple[int, ...]:
    """`shape` as one that `tensor` may have.

    Raises:
        BadRequest: it is not, or `datatype` is another one.
    """
    if datatype != tensor.datatype:
        raise BadRequest(f"{where}.datatype: want {tensor.datatype!r}, got {datatype!r:.80}")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(type(d) is int for d in shape):
        raise BadRequest(f"{where}.shape: want a list of whole numbers like {list(tensor.shape)}")
    if not fits(shape, tensor):
        raise BadRequest(f"{where}.shape: want {list(tensor.shape)} (-1: any size from 1), got {shape!r:.80}")
    return tuple(shape)


def need_all(tensors: Mapping[str, Tensor], feeds: Mapping[str, object], what: str = "inputs") -> None:
    """Refuse `feeds` in which one of `tensors` is missing."""
    if len(tensors) > len(feeds) and (missing := tensors.keys() - feeds.keys()):
        raise BadRequest(f"{what}: {sorted(missing)} missing")


def need_output(name: object, known: Collection[str], where: str) -> str:
    """`name`, where it is one of `known`; else raises BadRequest."""
    if not isinstance(name, str) or name not in known:
        raise BadRequest(f"{where}.name: want one of {sorted(known)}, got {name!r:.80}")
    return name


def from_values(data: list[Any], tensor: Tensor, shape: tuple[int, ...], where: str, *, truths: bool = True) -> Array:
    """A list of values, nested or flat, as an array of `shape`; `truths`: as in `array_of`.

    Raises:
        BadRequest: they are of another type, out of range, or too few or many.
    """
    array = array_of(data, NUMPY[tensor.datatype], where, truths=truths)
    if array.size != math.prod(shape):
        raise BadRequest(f"{where}: want {math.prod(shape)} values for shape {list(shape)}, got {array.size}")
    return array.reshape(shape)


def from_bytes(data: "bytes | memoryview", tensor: Tensor, shape: tuple[int, ...], where: str) -> Array:
    """Little-endian bytes as an array of `shape`.

    Raises:
        BadRequest: there are too few or many, or they are no such values.
    """
    dtype, count = NUMPY[tensor.datatype], math.prod(shape)
    if dtype.kind == "O":
        return parse_texts(data, count, where).reshape(shape)
    if len(data) != count * dtype.itemsize:
        raise BadRequest(f"{where}: want {count * dtype.itemsize} bytes for shape {list(shape)}, got {len(data)}")
    if dtype.kind == "b":
        truths: Array = np.frombuffer(data, dtype=np.uint8) != 0  # any byte but zero is true
        return truths.reshape(shape)
    array: Array = np.frombuffer(data, dtype=dtype)
    need_finite(array, f"{where} ({tensor.name})")
    return array.reshape(shape)


def to_bytes(array: Array) -> bytes:
    """`array` as it travels in binary."""
    return pack_texts(array.reshape(-1)) if array.dtype.kind == "O" else array.tobytes()
