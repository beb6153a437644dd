"""Files from a source to the disk: resumable, bounded, verified, and whole or not there at all."""

import errno
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgemodel.bundle import MANIFEST, Blob
from edgemodel_registry.errors import DigestMismatch, Refused, Unreachable
from edgemodel_registry.whole import PARTIAL, file_digest, is_whole, keep

if TYPE_CHECKING:
    from edgemodel_registry.source import Source

Progress = Callable[[int, int], None]
"""Gets the bytes that are there, and the bytes that are wanted."""

_BREAKS = 16
"""How often one call picks up a broken connection, as long as each time brought some bytes."""


def fill(folder: Path, wanted: Mapping[str, Blob], source: "Source", progress: Progress | None) -> None:
    """Make every wanted file whole in `folder`; its manifest, which says that it is, is taken away first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    lacking = missing(folder, wanted)
    _need_room(folder, lacking)
    done = size_of(wanted) - size_of(lacking)
    for name, blob in lacking.items():
        _fetch(source, name, blob, folder, reporter(progress, done, size_of(wanted)))
        done += blob.size


def missing(folder: Path, wanted: Mapping[str, Blob]) -> Mapping[str, Blob]:
    """Those that are not whole in `folder`."""
    return {name: blob for name, blob in wanted.items() if not is_whole(folder / name, blob)}


def size_of(files: Mapping[str, Blob]) -> int:
    """Bytes of all together."""
    return sum(blob.size for blob in files.values())


def reporter(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    """Tells `progress` of one file's bytes, `before` of others being there."""

    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, total)

    return report


def _fetch(source: "Source", name: str, blob: Blob, folder: Path, report: Callable[[int], None]) -> None:
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
        _fetch(source, name, blob, folder, report)
        return
    keep(partial, folder / name)


def _need_room(folder: Path, lacking: Mapping[str, Blob]) -> None:
    """Check that the disk of `folder` can take what is missing: better not begun than broken off half-way.

    Raises:
        OSError: ENOSPC, with the bytes that are needed and those that are free.
    """
    there = sum(min(_size(folder / (name + PARTIAL)), blob.size) for name, blob in lacking.items())
    needed, free = size_of(lacking) - there, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed} more bytes are needed and {free} are free", str(folder))


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
