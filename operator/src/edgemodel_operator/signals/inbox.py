"""What the webhook brought and no status has yet. A delivery is answered when it is written down, not before."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemodel_operator.errors import TooManyDeliveries, Undelivered
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Notice

PATIENCE = 8.0
"""Seconds that a sender waits; Alertmanager gives up after its group_interval, which is 10 s or more."""
MOST = 256
"""Deliveries that may wait at once."""


@dataclass(eq=False, slots=True)
class Waiting:
    """Notices about one EdgeModel, and whether they are written down."""

    notices: Sequence[Notice]
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Inbox:
    """Holds deliveries by EdgeModel until a tick has written them, or their sender has waited for too long."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._waiting: dict[Key, list[Waiting]] = {}

    def notices(self, key: Key) -> tuple[Notice, ...]:
        """What waits for `key`, oldest first."""
        return tuple(notice for waiting in self._waiting.get(key, ()) for notice in waiting.notices)

    def wrote(self, key: Key, notices: Sequence[Notice]) -> None:
        """The status of `key` has `notices` now."""
        for waiting in self._waiting.get(key, ()):
            if all(any(notice is known for known in notices) for notice in waiting.notices):
                waiting.written.set()

    async def deliver(self, notices: Mapping[Key, Sequence[Notice]]) -> None:
        """Return when all of `notices` are in the statuses of their EdgeModels.

        Raises:
            TooManyDeliveries: too many wait already.
            Undelivered: it took too long.
        """
        if sum(map(len, self._waiting.values())) >= MOST:
            raise TooManyDeliveries(f"{MOST} deliveries wait to be written: come again later")
        entries = [(key, self.put(key, found)) for key, found in notices.items()]
        try:
            async with asyncio.timeout(self._patience):
                for _, entry in entries:
                    await entry.written.wait()
        except TimeoutError as error:
            late = ", ".join(str(key) for key, entry in entries if not entry.written.is_set())
            raise Undelivered(f"{late}: not written within {self._patience:g} s: come again later") from error
        finally:
            for key, entry in entries:
                self.take_back(key, entry)

    def put(self, key: Key, notices: Sequence[Notice]) -> Waiting:
        """Have the next tick see `notices`, until they are taken back."""
        entry = Waiting(notices)
        self._waiting.setdefault(key, []).append(entry)
        return entry

    def take_back(self, key: Key, entry: Waiting) -> None:
        """Nobody waits for `entry` any more."""
        self._waiting[key].remove(entry)
        if not self._waiting[key]:
            del self._waiting[key]
