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
from edgemodel_inference.observing.samples import HardSamples, Kept
from edgemodel_registry import RegistryError, write_samples

if TYPE_CHECKING:
    from edgemodel_registry import Client

SHORTEST_INTERVAL = 5.0
NAME = "samples"

log = logs.Log("edgemodel.pusher")


class Pusher:
    """Runs on its own thread; a sink that is away costs nothing but the push."""

    def __init__(self, node: str, samples: HardSamples, folder: Path, client: "Callable[[], Client]") -> None:
        self._node = node
        self._samples = samples
        self._folder = folder
        self._client = client
        self._pushed_version = 0
        self.pushed: int | None = None
        """How many samples of this node lie in the sink, as of the last push."""
        self.problem: str | None = None

    def run(self, stop: threading.Event, wish: Callable[[], Wish | None]) -> None:
        """Push what has changed, at most once per interval, until `stop`."""
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
        """Push, if something has changed and somebody wants it; whether it did.

        Raises:
            RegistryError, OSError: the sink or the disk cannot take it now.
        """
        if wish.sampling is None:
            return False
        version, kept = self._samples.snapshot(time.monotonic())
        if not kept or version == self._pushed_version:
            return False
        kept = _of_one_shape(kept)
        shutil.rmtree(self._folder, ignore_errors=True)
        inputs = np.stack([k.array for k in kept])
        confidence = np.array([k.confidence for k in kept], dtype=np.float32)
        write_samples(self._folder, NAME, inputs, confidence)
        tag = sample_tag(wish.namespace, wish.model, self._node)
        self._client().push(self._folder, wish.sampling.sink, [tag])
        self._pushed_version, self.pushed, self.problem = version, len(kept), None
        log.info("samples pushed", count=len(kept), tag=tag)
        return True


def _of_one_shape(kept: list[Kept]) -> list[Kept]:
    """Those with the shape of the hardest: a model with free dimensions may have been asked in several."""
    return [k for k in kept if k.array.shape == kept[0].array.shape]
