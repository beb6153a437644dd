"""Reads again what lies on the disk: every hour, and as the action ClearCache, which also makes room.

A damaged bundle on the disk does no harm while it serves from memory, and leaves the node without it after the next
start: so it is fetched again.
"""

from collections.abc import Callable, Iterable

from edgemodel.wish import Artifact
from edgemodel_inference import logs
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import Refused, Superseded, Unreachable
from edgemodel_inference.wish.pending import LONGEST_PAUSE
from edgemodel_inference.wish.serving import Serving

EVERY = 3600.0
"""Seconds between two readings. Cards and flash rot in weeks."""

log = logs.Log("edgemodel.scrubber")


class Scrubber:
    """Asked by the healer's thread, carried out by the agent's."""

    def __init__(self, store: Store, serving: Serving, progress: Callable[[int, int], None]) -> None:
        """`progress`: see `Store.fetch`."""
        self._store = store
        self._serving = serving
        self._progress = progress
        self._due: float | None = None
        self._clear = False

    def ask(self) -> None:
        """Clear the cache at the agent's next pass."""
        self._clear = True

    def step(self, now: float) -> None:
        """Do what is due; what cannot be fetched now is tried again. `now` is on the monotonic clock."""
        if self._due is None:
            self._due = now + EVERY  # what serves was read when it was opened
        if now < self._due and not self._clear:
            return
        artifacts = [model.artifact for model in (self._serving.active, self._serving.backup) if model is not None]
        if self._clear:
            self._clear = False
            self._store.make_room({artifact.digest for artifact in artifacts})
            log.info("cache cleared", kept=[artifact.digest for artifact in artifacts])
        self._due = now + (EVERY if self._mend(artifacts) else LONGEST_PAUSE)

    def _mend(self, artifacts: Iterable[Artifact]) -> bool:
        """Fetch what is damaged again; whether nothing is left to try."""
        for artifact in artifacts:
            if self._store.has(artifact.digest):
                continue
            log.warning("damaged on the disk, fetched again", digest=artifact.digest, version=artifact.name)
            try:
                self._store.fetch(artifact, self._progress)
            except (Unreachable, Superseded) as error:
                log.warning("not fetched", digest=artifact.digest, error=str(error), retry_in=LONGEST_PAUSE)
                return False
            except Refused as error:
                log.warning("not fetched", digest=artifact.digest, error=str(error))
        return True
