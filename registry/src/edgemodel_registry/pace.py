"""A bandwidth cap: a thin link is shared with what the box is there for."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

CHUNK = 64 * 1024
"""Bytes that are read at a time."""
SLACK = 0.05
"""Seconds of traffic that may come at once; shorter waits are not worth a system call."""


@dataclass(slots=True)
class Pace:
    """Lets bytes pass at no more than `rate` bytes per second on average. One transfer at a time."""

    rate: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = field(default=0.0, init=False)

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, each held back until the rate allows it."""
        for chunk in chunks:
            self._wait(len(chunk))
            yield chunk

    def _wait(self, size: int) -> None:
        now = self.clock()
        self._free_at = max(self._free_at, now - SLACK) + size / self.rate
        if (wait := self._free_at - now) > SLACK:
            self.sleep(wait)
