"""A file from a source to the disk: resumable, bounded, verified, and whole or not there at all."""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgemodel.bundle import Blob
from edgemodel_registry.errors import DigestMismatch, Refused, Unreachable

if TYPE_CHECKING:
    from edgemodel_registry.source import Source

PARTIAL = ".partial"
"""Ending of a file that is not whole yet."""

_BREAKS = 16
"""How often one call picks up a broken connection, as long as each time brought some bytes."""


def is_whole(path: Path, blob: Blob) -> bool:
    """Whether `path` is a regular file with exactly the bytes of `blob`."""
    try:
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == blob.size and file_digest(path) == blob.digest
    except FileNotFoundError:
        return False


def file_digest(path: Path) -> str:
    """``sha256:`` and the digest of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def fetch(source: "Source", name: str, blob: Blob, folder: Path, report: Callable[[int], None]) -> None:
    """Bring `blob` to ``folder/name``, going on from what an earlier call left in ``name.partial``.

    `report` gets the number of bytes that are there.

    Raises:
        DigestMismatch: other bytes came; nothing is kept of them.
        Unreachable: the connection broke; what came is kept for the next call.
    """
    partial = folder / (name + PARTIAL)
    resumed = _size(partial) > 0
    try:
        _complete(source, name, blob, partial, report)
        _verify(partial, name, blob)
    except (DigestMismatch, Refused):
        partial.unlink(missing_ok=True)
        if not resumed:
            raise
        # The rest of an earlier download may itself be damaged, by a power cut say: once more from the start.
        fetch(source, name, blob, folder, report)
        return
    keep(partial, folder / name)


def need_room(folder: Path, missing: Mapping[str, Blob]) -> None:
    """Check that the disk of `folder` can take what is missing: better not begun than broken off half-way.

    Raises:
        OSError: ENOSPC, with the bytes that are needed and those that are free.
    """
    there = sum(min(_size(folder / (name + PARTIAL)), blob.size) for name, blob in missing.items())
    needed, free = sum(blob.size for blob in missing.values()) - there, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed} more bytes are needed and {free} are free", str(folder))


def keep(temporary: Path, path: Path) -> None:
    """Give `temporary` its final name so that a power cut leaves either the old file or the whole new one."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file: it is there with all its bytes, or not at all."""
    temporary = path.with_name(path.name + PARTIAL)
    temporary.write_bytes(data)
    keep(temporary, path)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _complete(source: "Source", name: str, blob: Blob, partial: Path, report: Callable[[int], None]) -> None:
    for _ in range(_BREAKS):
        before = _size(partial)
        try:
            return _append(source, name, blob, partial, report)
        except Unreachable:
            if _size(partial) <= before:
                raise
    return _append(source, name, blob, partial, report)


def _append(source: "Source", name: str, blob: Blob, partial: Path, report: Callable[[int], None]) -> None:
    done = _size(partial)
    if done == blob.size and partial.exists():
        return
    if done > blob.size:
        raise DigestMismatch(f"{name}: longer than the {blob.size} bytes of the manifest")
    with source.open(name, blob, done) as part, partial.open("r+b" if part.start else "wb") as file:
        done = file.seek(part.start)
        for chunk in part.chunks:
            done += len(chunk)
            if done > blob.size:
                raise DigestMismatch(f"{name}: longer than the {blob.size} bytes of the manifest")
            file.write(chunk)
            report(done)
    if done < blob.size:
        raise Unreachable(f"{name}: broke off after {done} of {blob.size} bytes")


def _verify(path: Path, name: str, blob: Blob) -> None:
    if (got := file_digest(path)) != blob.digest:
        raise DigestMismatch(f"{name}: want {blob.digest}, got {got}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
