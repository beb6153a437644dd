"""Small records on disk.

A disk that is full or broken is logged and does not stop serving or healing: what is recorded is in memory as well,
and the next change writes again.
"""

import os
from pathlib import Path

from edgemodel_inference import logs
from edgemodel_registry.whole import write_whole

log = logs.Log("edgemodel.records")


def save(path: Path, data: bytes) -> bool:
    """Replace `path` by `data`, whole or not at all; whether that worked."""
    try:
        write_whole(path, data)
    except OSError as error:
        log.warning("not written", path=path, error=str(error))
        return False
    return True


def append(path: Path, line: bytes) -> bool:
    """Add `line`, which ends in a line end, to `path`; durable if this returns true."""
    try:
        with path.open("a+b") as file:
            if file.tell() and not _ends_well(path):
                file.write(b"\n")  # a power cut left half a line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        log.warning("not written", path=path, error=str(error))
        return False
    return True


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
