"""Arrays in ``.npz`` files, without pickle and without surprises."""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing, TooLarge

Array = NDArray[Any]

MAX_BYTES = 1024 * 1024 * 1024
"""Default for what the arrays of one file may take in memory."""

_ENDING = ".npy"

_DAMAGES = (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError, zlib.error)
"""What zipfile and numpy raise on damaged bytes."""


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of an ``.npz`` file; equal arrays give equal bytes.

    Raises:
        ArtifactInvalid: an array holds Python objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise ArtifactInvalid(f"{name}: want numbers or fixed-width text, got Python objects")
            # A ZipInfo made from a name alone carries a constant date.
            member = zipfile.ZipInfo(name + _ENDING)
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                npy.write_array(file, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def read_arrays(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, Array]:
    """The arrays of an ``.npz`` file from a stranger, by name (see `parse_arrays`).

    Raises:
        ArtifactMissing: no such file.
        ArtifactInvalid: not an ``.npz`` file, a damaged one, or one with Python objects.
        TooLarge: the file or its arrays would take more than `max_bytes`.
    """
    if not path.is_file():
        raise ArtifactMissing(f"{path}: no such file")
    if path.stat().st_size > max_bytes:
        raise TooLarge(f"{path.name}: larger than {max_bytes} bytes")
    return parse_arrays(path.read_bytes(), path.name, max_bytes)


def parse_arrays(data: bytes, name: str, max_bytes: int = MAX_BYTES) -> dict[str, Array]:
    """The arrays in the bytes of an ``.npz`` file; `name` is the subject of errors.

    Sizes are checked before memory is taken: the archive's own figures against `max_bytes`, and each array's header
    against its member's size.

    Raises:
        ArtifactInvalid, TooLarge: as `read_arrays`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > max_bytes:
                raise TooLarge(f"{name}: its arrays take more than {max_bytes} bytes")
            return {member.filename.removesuffix(_ENDING): _read(archive, member) for member in members}
    except _DAMAGES as error:
        raise ArtifactInvalid(f"{name}: not an .npz file of plain arrays: {error!s:.200}") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    name = f"{member.filename!r:.80}"
    if not member.filename.endswith(_ENDING):
        raise ValueError(f"{name} is not an array")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ValueError(f"{name} is packed in a way that numpy does not use")
    with archive.open(member) as file:
        shape, dtype, header = _header(file)
        if dtype.hasobject:
            raise ValueError(f"{name} holds Python objects")
        if header + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{name} does not have the size that its header claims")
    with archive.open(member) as file:
        array: Array = npy.read_array(file, allow_pickle=False)
    return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], "np.dtype[Any]", int]:
    """Shape, type and the header's length in bytes."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype, file.tell()
