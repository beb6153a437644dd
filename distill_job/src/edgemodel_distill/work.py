"""The folder of the work in progress: writable, and one run's at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgemodel_distill.errors import BadSettings

FOLDER = ".edgemodel-distill"
"""Beside the configuration file; gone after an accepted student, kept otherwise, with the candidate to look at."""

CANDIDATE = "candidate"
"""Folder of the student's bundle in the work folder; a refused one stays there to be looked at."""


@contextmanager
def of_a_job(folder: Path | None) -> Iterator[Path]:
    """`folder`, or a temporary one.

    Raises:
        BadSettings: nothing can be kept in `folder`.
    """
    if folder is not None:
        yield writable(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="edgemodel-distill-") as temporary:
            yield Path(temporary)


def writable(folder: Path) -> Path:
    """`folder`, made if need be.

    Raises:
        BadSettings: nothing can be kept in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        wanted = "EDGEMODEL_WORK: want a writable folder for the work in progress"
        raise BadSettings(f"{wanted}, got {folder}: {os.strerror(error.errno or 0)}") from error
    return folder


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other runs out of `folder` for as long as this process lives.

    Raises:
        BadSettings: another run has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadSettings(f"EDGEMODEL_WORK: another run works in {folder}; wait for it, or name another") from error
