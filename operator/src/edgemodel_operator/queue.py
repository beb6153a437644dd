"""A keyed work queue: a key waits once, ticks one at a time, and comes back at its deadline."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class KeyedQueue(Generic[Key]):
    """Keys to work on. A key added while it is being worked on runs once more afterwards."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        """Work on `key` soon."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, delay: float) -> None:
        """Work on `key` in `delay` seconds; an earlier deadline wins over a later one."""
        loop = asyncio.get_running_loop()
        present = self._timers.get(key)
        if present is not None and not present.cancelled():
            if present.when() <= loop.time() + delay:
                return
            present.cancel()
        self._timers[key] = loop.call_later(delay, self._due, key)

    async def get(self) -> Key:
        """The next key; the caller owes a `done`."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._running.add(key)
        return key

    def done(self, key: Key) -> None:
        """The work on `key` is over."""
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Forget all deadlines."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._waiting)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)
