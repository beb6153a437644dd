"""The folder of the work in progress: writable, and one run's at a time."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgemodel_distill.config import Settings
from edgemodel_distill.errors import BadSettings, DiskFull, DistillError, classify

FOLDER = ".edgemodel-distill"
"""Beside the configuration file; gone after an accepted student, kept otherwise, with the candidate to look at."""

CANDIDATE = "candidate"
"""Folder of the student's bundle in the work folder; a refused one stays there to be looked at."""

LOCK = "edgemodel-distill.lock"
"""A work folder's file that its run holds; by it a folder is known for one of ours."""

_WORK, _CHECKPOINTS = "EDGEMODEL_WORK", "EDGEMODEL_CHECKPOINTS"
_CLAIM = "the claim of spec.distillation.checkpoints"


@contextmanager
def of_a_job(settings: Settings) -> Iterator[Path]:
    """The folder that `settings` name, or a temporary one; what lies in a kept one is there for the next try.

    Raises:
        BadSettings: nothing can be kept in it, or another run works there.
        DiskFull: what is raised in here for want of space in a kept folder.
    """
    kept = _kept(settings)
    if kept is not None:
        with _naming_the_claim(), alone_in(writable(kept, _CHECKPOINTS), _CHECKPOINTS):
            _clear_beside(kept)
            yield kept
    elif settings.work is not None:
        yield writable(settings.work)
    else:
        with tempfile.TemporaryDirectory(prefix="edgemodel-distill-") as temporary:
            yield Path(temporary)


def done(settings: Settings) -> None:
    """The order has its result, which is told: nothing is kept for it any more."""
    kept = _kept(settings)
    if kept is not None:
        _remove(kept)
        with suppress(OSError):  # an order of the same EdgeModel is there yet
            kept.parent.rmdir()


def writable(folder: Path, variable: str = _WORK) -> Path:
    """`folder`, made if need be; `variable` is who names it.

    Raises:
        BadSettings: nothing can be kept in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        wanted = f"{variable}: want a folder that user {os.getuid()} may write to, for the work in progress"
        raise BadSettings(f"{wanted}, got {folder}: {os.strerror(error.errno or 0)}") from error
    return folder


@contextmanager
def alone_in(folder: Path, variable: str = _WORK) -> Iterator[None]:
    """Keeps other runs out of `folder` for as long as this process lives, on other machines too.

    Raises:
        BadSettings: another run has it.
    """
    with (folder / LOCK).open("ab") as file:  # to write: NFS locks no other, and no folder
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                why = "another run works in it; wait for that, or name another folder"
            else:
                why = f"it cannot be locked: {os.strerror(error.errno or 0)}"
            raise BadSettings(f"{variable}: {folder}: {why}") from error
        yield


def _kept(settings: Settings) -> Path | None:
    """A worker that does not lead has nothing to keep: it gets everything from the one that does."""
    return settings.checkpoints if settings.post.rank == 0 else None


def _clear_beside(folder: Path) -> None:
    """Remove what earlier orders left that never had a result: their folders lie beside that of this one."""
    for other in folder.parent.iterdir():
        if other != folder and (other / LOCK).is_file():
            with suppress(BadSettings):  # its pod is on its way out yet
                with alone_in(other):
                    pass
                _remove(other)


def _remove(folder: Path) -> None:
    """Remove all of it, the lock last: what cannot be removed now, or before a kill, is by the next order."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != LOCK:
                entry.unlink()
        shutil.rmtree(folder)


@contextmanager
def _naming_the_claim() -> Iterator[None]:
    try:
        yield
    except DistillError:
        raise
    except Exception as error:
        if isinstance(classify(error), DiskFull):
            raise DiskFull(f"no space left: free some on {_CLAIM}, or take a larger one") from error
        raise
