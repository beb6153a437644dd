"""A bandwidth cap: a thin link is shared with what the box is there for."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

CHUNK = 64 * 1024
"""Bytes that are read or sent at a time."""
SLACK = 0.05
"""Seconds of traffic that may come at once; shorter waits are not worth a system call."""


@dataclass(slots=True)
class Pace:
    """Lets bytes pass at no more than `rate` bytes per second on average, those of all threads together."""

    rate: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, each held back until the rate allows it."""
        for chunk in chunks:
            self._wait(len(chunk))
            yield chunk

    def _wait(self, size: int) -> None:
        now = self.clock()
        with self._lock:
            self._free_at = max(self._free_at, now - SLACK) + size / self.rate
            wait = self._free_at - now
        if wait > SLACK:
            self.sleep(wait)


@dataclass(frozen=True, slots=True)
class PacedBody:
    """A request's body that leaves in pieces at the pace's rate; may be sent more than once."""

    data: bytes
    pace: Pace

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes]:
        size = max(1024, min(CHUNK, self.pace.rate))  # some of it each second: servers hang up on whoever is silent
        return self.pace.passing(self.data[at : at + size] for at in range(0, len(self.data), size))
