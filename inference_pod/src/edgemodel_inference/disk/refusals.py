"""Digests that this node refuses to serve, and why; kept on disk.

A refusal is lifted by the wish's list of cleared digests. A digest may be refused again after it was cleared, while the
wish still lists it: such a refusal stays until the digest is cleared again, which gives it a higher number there.
"""

import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edgemodel.document import Document
from edgemodel_inference import logs
from edgemodel_inference.disk.records import save

log = logs.Log("edgemodel.refusals")


class Refusal(Document):
    """One refused digest. `reason`: a fault's name or a code. `lasting` false: tried again after a while."""

    digest: str
    version: str
    reason: str
    message: str = ""
    lasting: bool = True
    cleared_in: int = 0
    """The number under which the wish listed the digest as cleared when it was refused; 0: it did not."""


_FILE = TypeAdapter(tuple[Refusal, ...])


class Refusals:
    """The refusals of this node by digest. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._by_digest: dict[str, Refusal] = {r.digest: r for r in _read(path)}
        self._cleared: dict[str, int] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in self._by_digest

    def all(self) -> tuple[Refusal, ...]:
        """Every refusal in force."""
        with self._lock:
            return tuple(self._by_digest.values())

    def foremost(self, wanted: Collection[str], most: int) -> list[Refusal]:
        """At most so many lasting ones, the latest; those of digests in `wanted` go before others."""
        lasting = [refusal for refusal in self.all() if refusal.lasting]
        return sorted(lasting, key=lambda refusal: refusal.digest in wanted)[-most:]

    def add(self, digest: str, version: str, reason: str, message: str = "", *, lasting: bool = True) -> None:
        """Refuse `digest` from now on; on disk when this returns, if lasting."""
        with self._lock:
            self._by_digest.pop(digest, None)  # the latest comes last
            self._by_digest[digest] = Refusal(
                digest=digest,
                version=version,
                reason=reason,
                message=message[:500],
                lasting=lasting,
                cleared_in=self._cleared.get(digest, 0),
            )
            self._write()
        log.warning("refused", digest=digest, version=version, reason=reason, message=message, lasting=lasting)

    def forgive(self, digest: str) -> str | None:
        """Lift a passing refusal, since it is tried again, and return its reason; None where there is none."""
        with self._lock:
            refusal = self._by_digest.get(digest)
            if refusal is None or refusal.lasting:
                return None
            return self._by_digest.pop(digest).reason

    def clear(self, cleared: Mapping[str, int]) -> None:
        """Take note of what the wish lists as cleared (`Wish.clearings`): lift what it lists anew."""
        with self._lock:
            self._cleared = dict(cleared)
            before = dict(self._by_digest)
            for digest, refusal in before.items():
                number = self._cleared.get(digest, 0)
                if number == 0:
                    self._by_digest[digest] = refusal.model_copy(update={"cleared_in": 0})
                elif number > refusal.cleared_in:
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
