"""The action ClearCache: what neither serves nor stands by goes from the disk, and what does is read again.

A damaged bundle on the disk does no harm while it serves from memory, and leaves the node without it after the next
start: so it is fetched again.
"""

from collections.abc import Callable

from edgemodel_inference import logs
from edgemodel_inference.errors import Refused, Superseded, Unreachable
from edgemodel_inference.pending import LONGEST_PAUSE
from edgemodel_inference.serving import Serving
from edgemodel_inference.store import Store

log = logs.Log("edgemodel.scrubber")


class Scrubber:
    """Asked by the healer's thread, carried out by the agent's."""

    def __init__(self, store: Store, serving: Serving, progress: Callable[[int, int], None]) -> None:
        """`progress`: see `Store.fetch`."""
        self._store = store
        self._serving = serving
        self._progress = progress
        self._due: float | None = None

    def ask(self) -> None:
        """Clear the cache at the agent's next pass."""
        self._due = 0.0

    def step(self, now: float) -> None:
        """Clear the cache, if somebody asked for it; what cannot be fetched now is tried again."""
        if self._due is None or now < self._due:
            return
        self._due = None
        artifacts = [model.artifact for model in (self._serving.active, self._serving.backup) if model is not None]
        self._store.make_room({artifact.digest for artifact in artifacts})
        for artifact in artifacts:
            if self._store.has(artifact.digest):
                continue
            log.warning("damaged on the disk, fetched again", digest=artifact.digest, version=artifact.name)
            try:
                self._store.fetch(artifact, self._progress)
            except (Unreachable, Superseded) as error:
                self._due = now + LONGEST_PAUSE
                log.warning("not fetched", digest=artifact.digest, error=str(error), retry_in=LONGEST_PAUSE)
                return
            except Refused as error:
                log.warning("not fetched", digest=artifact.digest, error=str(error))
        log.info("cache cleared", kept=[artifact.digest for artifact in artifacts])
