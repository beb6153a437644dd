"""The lookout: one thread that samples every metric once per interval, feeds the rules and lets the healer act."""

import threading
import time
from collections.abc import Callable, Mapping

import psutil

from edgemodel.wish import Wish
from edgemodel_inference.healing.detector import FaultWatch
from edgemodel_inference.healing.healer import Healer
from edgemodel_inference.healing.memory_guard import MemoryGuard
from edgemodel_inference.observing.traffic import Traffic

IDLE = 0.5
"""Longest pause between two looks: actions have delays, and wishes come at any time."""
DEFAULT_INTERVAL = 10.0


class Lookout:
    """Durations are the monotonic clock's; a jump of the wall clock does no harm."""

    def __init__(
        self,
        traffic: Traffic,
        watch: FaultWatch,
        healer: Healer,
        memory: MemoryGuard,
        wish: Callable[[], Wish | None],
    ) -> None:
        self._memory = memory
        self._traffic = traffic
        self._watch = watch
        self._healer = healer
        self._wish = wish
        self._followed: Wish | None = None
        self._process = psutil.Process()
        self.gauges: Mapping[str, float | None] = {}
        """The last samples, by metric."""

    def run(self, stop: threading.Event) -> None:
        """Sample and heal until `stop`."""
        self._process.cpu_percent()
        last = time.monotonic()
        while not stop.wait(max(0.01, min(IDLE, last + self._interval() - time.monotonic()))):
            now = time.monotonic()
            self._follow(now)
            if now >= last + self._interval():
                self.sample(now - last, now)
                last = now
            if (wish := self._wish()) is not None:
                self._healer.step(wish, self._watch, self._traffic.answered_since_switch, now)

    def sample(self, elapsed: float, now: float) -> None:
        """End an interval of `elapsed` seconds."""
        samples = self._traffic.take(elapsed)
        memory = self._process.memory_info().rss / 2**20
        self._memory.note(memory, elapsed)
        samples["system_memory_mb"] = memory
        samples["cpu_percent"] = self._process.cpu_percent()
        self.gauges = samples
        self._watch.feed(samples, now)

    def _interval(self) -> float:
        wish = self._wish()
        return wish.interval if wish is not None else DEFAULT_INTERVAL

    def _follow(self, now: float) -> None:
        wish = self._wish()
        if wish is None:
            return
        if wish is not self._followed:
            self._followed = wish
            self._watch.replace_rules(wish.rules)
        self._healer.follow(wish, now)
