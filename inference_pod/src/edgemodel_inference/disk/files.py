"""Small files that others write: a wish, tokens, keys."""

import errno
from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024

Stamp = tuple[int, ...]
"""What tells a file from the one that was there before."""


def read_capped(path: Path) -> bytes:
    """A small file's bytes; raises OSError where it cannot be read, EFBIG where it is larger than any such file."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"want at most {MAX_BYTES} bytes", str(path))
    return data


def stamp_of(path: Path) -> Stamp | None:
    """What tells a file from the one that was there before."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
