"""Reads the wish: from where it comes from when that changes, from the node's own copy at the start."""

from pathlib import Path
from typing import Protocol

from edgemodel.wish import Wish, WishError, parse
from edgemodel_inference import logs
from edgemodel_inference.disk.files import Stamp, read_capped, stamp_of
from edgemodel_inference.disk.records import save

log = logs.Log("edgemodel.news")


class WishOrigin(Protocol):
    """Where a wish comes from."""

    def stamp(self) -> Stamp | None:
        """Another one than before when there may be another wish; None: there is none now. Cheap."""

    def load(self) -> Wish:
        """The wish as it is now; raises WishError or OSError."""


class WishFile:
    """A file that holds the wish, as mounted from a ConfigMap."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> Stamp | None:
        """The file's inode, time and size."""
        return stamp_of(self._path)

    def load(self) -> Wish:
        """Parse the file."""
        return parse(read_capped(self._path))


class WishSource:
    """An origin of wishes, and a copy of its last good one. A missing or broken wish is no news."""

    def __init__(self, origin: WishOrigin, copy: Path) -> None:
        self._origin = origin
        self._copy = copy
        self._seen: Stamp | None = None
        self._begun = False
        self.wish: Wish | None = None
        """The last good wish."""
        self.problem: str | None = None
        """What is wrong with the wish as it is now."""

    def has_news(self) -> bool:
        """Whether something has changed since it was read; cheap enough for every chunk of a download."""
        stamp = self._origin.stamp()
        return stamp is not None and stamp != self._seen

    def read(self) -> Wish | None:
        """The wish, if it is another one than before. The first call falls back to the copy."""
        first, self._begun = not self._begun, True
        changed = self.has_news()
        wish = self._load() if changed else None
        fresh = wish is not None
        if wish is None and first:
            wish = self._read_copy()
            if wish is None and not changed:
                self.problem = "there is no wish yet"
                log.warning("no wish yet")
        if wish is None or wish == self.wish:
            return None
        self.wish = wish
        if fresh:
            save(self._copy, wish.dump().encode())
        log.info("wish read", revision=wish.revision)
        return wish

    def _load(self) -> Wish | None:
        self._seen = self._origin.stamp()
        try:
            wish = self._origin.load()
        except (OSError, WishError) as error:
            self.problem = _describe(error)[:1000]
            log.warning("wish not readable, what was there before stays", problem=self.problem)
            return None
        self.problem = None
        return wish

    def _read_copy(self) -> Wish | None:
        try:
            return parse(read_capped(self._copy))
        except FileNotFoundError:
            return None
        except (OSError, WishError) as error:
            log.warning("copy of the wish not readable", path=self._copy, problem=str(error)[:1000])
            return None


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
