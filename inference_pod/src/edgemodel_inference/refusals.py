"""Digests that this node refuses to serve, and why; kept on disk.

A refusal is lifted by the wish's `cleared` list. A digest may be refused again after it was cleared, while the
wish still lists it; so a refusal under a wish that lists the digest already stays until it is listed anew.
"""

import threading
from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edgemodel.document import Document
from edgemodel_inference import logs
from edgemodel_inference.records import save

log = logs.Log("edgemodel.refusals")


class Refusal(Document):
    """One refused digest. `reason`: a fault's name or a code. `lasting` false: tried again after a while."""

    digest: str
    version: str
    reason: str
    message: str = ""
    lasting: bool = True
    cleared_before: bool = False
    """The wish already listed the digest as cleared when it was refused."""


_FILE = TypeAdapter(tuple[Refusal, ...])


class Refusals:
    """The refusals of this node by digest. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._by_digest: dict[str, Refusal] = {r.digest: r for r in _read(path)}
        self._cleared: frozenset[str] = frozenset()

    def __contains__(self, digest: str) -> bool:
        return digest in self._by_digest

    def all(self) -> tuple[Refusal, ...]:
        """Every refusal in force."""
        with self._lock:
            return tuple(self._by_digest.values())

    def add(self, digest: str, version: str, reason: str, message: str = "", *, lasting: bool = True) -> None:
        """Refuse `digest` from now on; on disk when this returns, if lasting."""
        with self._lock:
            self._by_digest[digest] = Refusal(
                digest=digest,
                version=version,
                reason=reason,
                message=message[:500],
                lasting=lasting,
                cleared_before=digest in self._cleared,
            )
            self._write()
        log.warning("refused", digest=digest, version=version, reason=reason, message=message)

    def forgive(self, digest: str) -> str | None:
        """Lift a passing refusal, since it is tried again, and return its reason; None where there is none."""
        with self._lock:
            refusal = self._by_digest.get(digest)
            if refusal is None or refusal.lasting:
                return None
            return self._by_digest.pop(digest).reason

    def clear(self, cleared: Collection[str]) -> None:
        """Take note of the wish's `cleared` list: lift what it lists anew."""
        with self._lock:
            self._cleared = frozenset(cleared)
            before = dict(self._by_digest)
            for digest, refusal in before.items():
                if digest not in self._cleared:
                    self._by_digest[digest] = refusal.model_copy(update={"cleared_before": False})
                elif not refusal.cleared_before:
                    log.info("refusal lifted", digest=digest, version=refusal.version)
                    del self._by_digest[digest]
            if self._by_digest != before:
                self._write()

    def _write(self) -> None:
        lasting = tuple(r for r in self._by_digest.values() if r.lasting)
        save(self._path, _FILE.dump_json(lasting, by_alias=True))


def _read(path: Path) -> tuple[Refusal, ...]:
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except ValidationError:
        log.warning("refusals unreadable, starting without", path=path)
        return ()
