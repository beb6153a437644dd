"""BYTES tensors in their binary form: each element is its length (32 bits, little-endian) and its bytes. Pure.

https://github.com/kserve/open-inference-protocol, binary tensor data extension. Only text travels: ONNX has no other.
"""

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemodel_inference.errors import BadRequest

_LENGTH = struct.Struct("<I")


def pack_texts(texts: Iterable[str]) -> bytes:
    """The binary form of `texts`."""
    encoded = [text.encode() for text in texts]
    return b"".join(part for text in encoded for part in (_LENGTH.pack(len(text)), text))


def to_text(data: bytes, where: str) -> str:
    """`data` as text; raises BadRequest where it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"{where}: want UTF-8") from error


def parse_texts(data: "bytes | memoryview", count: int, where: str) -> NDArray[Any]:
    """The `count` texts in `data`, as a flat array of strings.

    Raises:
        BadRequest: there are more or fewer, one is cut off, or one is no UTF-8.
    """
    if count * _LENGTH.size > len(data):
        raise BadRequest(f"{where}: want {count} elements, each with a length of 4 bytes, in {len(data)} bytes")
    texts: list[str] = []
    position = 0
    while position < len(data) and len(texts) < count:
        start = position + _LENGTH.size
        if start > len(data):
            break
        position = start + _LENGTH.unpack_from(data, position)[0]
        if position > len(data):
            raise BadRequest(f"{where}: element {len(texts)} is longer than the data")
        texts.append(to_text(bytes(data[start:position]), f"{where}: element {len(texts)}"))
    if len(texts) != count or position != len(data):
        raise BadRequest(f"{where}: want {count} elements in exactly {len(data)} bytes, got {len(texts)} in {position}")
    return np.array(texts, dtype=np.object_)
