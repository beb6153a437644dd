"""Tells a person what is going on, with the seconds it took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Print = Callable[[str], None]
HEARTBEAT_S = 20.0


class Progress:
    """Lines of the form `[  12.3 s] what`, counted from the creation of the object."""

    def __init__(self, write: Print) -> None:
        """`write` takes each finished line."""
        self._write = write
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the creation of the object."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Print one line."""
        self._write(f"[{self.elapsed:6.1f} s] {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Print when a step begins and ends, and a sign of life while a long one goes on."""
        started = time.monotonic()
        done = threading.Event()
        self.say(f"{text} ...")
        beat = threading.Thread(target=self._beat, args=(text, started, done), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
        self.say(f"{text}: done in {time.monotonic() - started:.1f} s")

    def _beat(self, text: str, started: float, done: threading.Event) -> None:
        while not done.wait(HEARTBEAT_S):
            self.say(f"{text}: {time.monotonic() - started:.0f} s so far ...")
