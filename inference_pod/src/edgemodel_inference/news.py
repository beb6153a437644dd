"""Reads the wish: from the mounted file when it changes, from the node's own copy at the start."""

from pathlib import Path

from edgemodel.wish import Wish, WishError, parse
from edgemodel_inference import logs
from edgemodel_inference.records import save

MAX_BYTES = 4 * 1024 * 1024

Stamp = tuple[int, int, int]

log = logs.Log("edgemodel.news")


class WishSource:
    """A wish file and the copy of its last good content. A missing or broken file is no news."""

    def __init__(self, path: Path, copy: Path) -> None:
        self._path = path
        self._copy = copy
        self._seen: Stamp | None = None
        self.wish: Wish | None = None
        """The last good wish."""
        self.problem: str | None = None
        """What is wrong with the file as it is now."""

    def has_news(self) -> bool:
        """Whether the file has changed since it was read; a look at its inode, cheap enough for every chunk."""
        stamp = _stamp(self._path)
        return stamp is not None and stamp != self._seen

    def read(self) -> Wish | None:
        """The wish, if it is another one than before. The first call falls back to the copy."""
        first, changed = self._seen is None and self.wish is None, self.has_news()
        wish = self._parse(self._path) if changed else None
        if wish is None and first and self._copy.exists():
            wish = self._parse(self._copy)
        if wish is None or wish == self.wish:
            return None
        self.wish = wish
        if changed:
            save(self._copy, wish.dump().encode())
        log.info("wish read", revision=wish.revision)
        return wish

    def _parse(self, path: Path) -> Wish | None:
        stamp = _stamp(path)
        if path == self._path:
            self._seen = stamp
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise WishError(f"want at most {MAX_BYTES} bytes")
            wish = parse(data)
        except (OSError, WishError) as error:
            self.problem = str(error)[:1000]
            log.warning("wish not readable, keeping the last good one", path=path, problem=self.problem)
            return None
        self.problem = None
        return wish


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
