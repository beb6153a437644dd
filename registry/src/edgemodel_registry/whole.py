"""Files that are whole or not there at all, a power cut or not."""

import hashlib
import os
import stat
from pathlib import Path

from edgemodel.bundle import Blob

PARTIAL = ".partial"
"""Ending of a file that is not whole yet."""


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


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file: it is there with all its bytes, or not at all."""
    temporary = path.with_name(path.name + PARTIAL)
    temporary.write_bytes(data)
    keep(temporary, path)


def keep(temporary: Path, path: Path) -> None:
    """Give `temporary` its final name so that a power cut leaves either the old file or the whole new one."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
