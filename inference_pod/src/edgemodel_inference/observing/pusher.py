"""Pushes the hardest samples to the sink, under one tag per node."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgemodel.bundle import sample_tag
from edgemodel.wish import Wish
from edgemodel_inference import logs
from edgemodel_inference.observing.push_rule import Holding, Push, choose, longest_pause
from edgemodel_inference.observing.samples import HardSamples, Kept, Snapshot
from edgemodel_registry import RegistryError, write_samples

if TYPE_CHECKING:
    from edgemodel_registry import Client

SHORTEST_INTERVAL = 5.0
NAME = "samples"

log = logs.Log("edgemodel.pusher")


class Pusher:
    """Runs on its own thread; a sink that is away costs nothing but the push. See `push_rule` for when it pushes."""

    def __init__(
        self,
        node: str,
        samples: HardSamples,
        folder: Path,
        client: "Callable[[], Client]",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._samples = samples
        self._folder = folder
        self._client = client
        self._clock = clock
        self._chosen: Push | None = None
        """What lies in the folder."""
        self._unsent = 0
        """How many samples lie there that are not in the sink yet."""
        self._pause = SHORTEST_INTERVAL
        self._retry_at = 0.0
        self.pushed: int | None = None
        """How many samples of this node lie in the sink, as of the last push."""
        self.problem: str | None = None

    def run(self, stop: threading.Event, wish: Callable[[], Wish | None]) -> None:
        """Push what is due, at most once per interval, until `stop`."""
        interval = SHORTEST_INTERVAL
        while not stop.wait(interval):
            if (current := wish()) is None:
                continue
            interval = max(current.interval, SHORTEST_INTERVAL)
            try:
                self.step(current)
            except (RegistryError, OSError) as error:
                self.problem = str(error)[:500]
                log.warning("samples not pushed", error=self.problem)

    def step(self, wish: Wish) -> bool:
        """Push, if that is due and somebody wants it; whether it did.

        Raises:
            RegistryError, OSError: the sink or the disk cannot take it now.
        """
        if wish.sampling is None:
            return False
        now = self._clock()
        self._take(self._samples.snapshot(now), wish.sampling.sink, now)
        if self._chosen is None or not self._unsent or now < self._retry_at:
            return False
        self._retry_at = now + self._pause
        self._pause = min(2 * self._pause, longest_pause(self._chosen.holding.size))
        tag = sample_tag(wish.namespace, wish.model, self._node)
        self._client().push(self._folder, self._chosen.holding.origin[1], [tag])
        self.pushed, self._unsent = self._unsent, 0
        self._pause, self.problem = SHORTEST_INTERVAL, None
        log.info("samples pushed", count=self.pushed, tag=tag)
        return True

    def _take(self, there: Snapshot, sink: str, now: float) -> None:
        """Write down what is kept, if it is due to go up."""
        if not there.kept:
            return
        kept = _of_one_shape(there.kept)
        confidence = np.array([k.confidence for k in kept], dtype=np.float32)
        holding = Holding(
            origin=(there.digest, sink),
            number=there.number,
            count=len(kept),
            full=there.full,
            confidence=float(confidence.mean()),
            size=len(kept) * kept[0].array.nbytes,
        )
        if (chosen := choose(self._chosen, holding, now)) is None:
            return
        self._chosen, self._unsent, self._retry_at = chosen, 0, now
        shutil.rmtree(self._folder, ignore_errors=True)
        write_samples(self._folder, NAME, np.stack([k.array for k in kept]), confidence)
        self._unsent = len(kept)


def _of_one_shape(kept: list[Kept]) -> list[Kept]:
    """Those with the shape of the hardest: a model with free dimensions may have been asked in several."""
    return [k for k in kept if k.array.shape == kept[0].array.shape]
