"""A timer that can be set again and stopped, on the event loop."""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls `then` once, after the time that it was last set to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Start anew."""
        self.stop()
        self._handle = self._loop.call_later(seconds, then)

    def stop(self) -> None:
        """Call nothing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
