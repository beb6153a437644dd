"""The engine: an active model and a resident backup, one atomic reference to both, one bounded inference thread.

A request takes the active model once, at its start, and is answered with that one, whatever is flipped meanwhile.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from edgemodel_inference.errors import Unavailable
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.model.runner import Result, Runner

QUEUE_LIMIT = 128
"""Requests that may wait for the inference thread; one more is turned away."""
DEADLINE = 30.0
"""Seconds until a request is given up, and until one inference counts as stuck."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What is in memory. Replaced as a whole, so that no reader sees half a switch."""

    active: Model | None = None
    backup: Model | None = None


class Engine:
    """Runs models. `install` and the like are called under one lock (see `serving`); `infer` from the event loop."""

    def __init__(self, batch_delay: float = 0.0) -> None:
        """`batch_delay`: see `Runner`."""
        self._slots = Slots()
        self._runner = Runner(batch_delay)
        self._waiting = 0

    @property
    def active(self) -> Model | None:
        return self._slots.active

    @property
    def backup(self) -> Model | None:
        return self._slots.backup

    @property
    def queue_length(self) -> int:
        """Requests that wait or run now."""
        return self._waiting

    def stuck(self) -> bool:
        """Whether an inference has been running for longer than any may."""
        since = self._runner.running_since
        return since is not None and time.monotonic() > since + DEADLINE

    def install(self, model: Model, *, keep: bool = True) -> None:
        """Make `model` the active one; what was active becomes the backup, unless `keep` is false."""
        old = self._slots
        self._slots = Slots(model, old.active if keep else None)

    def stand_by(self, model: Model | None) -> None:
        """Keep `model` resident as the backup (None: keep none)."""
        self._slots = Slots(self._slots.active, model)

    def flip(self, *, keep: bool = True) -> bool:
        """Make the backup the active one; False where there is none."""
        old = self._slots
        if old.backup is None:
            return False
        self._slots = Slots(old.backup, old.active if keep else None)
        return True

    def unload(self) -> None:
        """Serve nothing."""
        self._slots = Slots()

    async def infer(self, model: Model, feeds: Mapping[str, Array]) -> Result:
        """Run `model` on the inference thread.

        Raises:
            Unavailable: too many requests wait, or this one took too long.
            Unprocessable: the model fails on these values.
        """
        if self._waiting >= QUEUE_LIMIT:
            raise Unavailable(f"{QUEUE_LIMIT} requests are waiting; try again later")
        self._waiting += 1
        future = self._runner.submit(model, feeds)
        future.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(DEADLINE):
                return await asyncio.shield(future)
        except TimeoutError as error:
            raise Unavailable(f"no answer from the model within {DEADLINE:.0f} s") from error

    def close(self) -> None:
        """Take no more work."""
        self._runner.close()

    def _leave(self, future: "asyncio.Future[Result]") -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # taken note of, also where the caller has given up


def await_users(model: Model, limit: float = 2.0) -> None:
    """Return when no request is being answered with `model` any more, or after `limit` seconds.

    So that whoever is told of a switch afterwards sees no answer of the old version after the news.
    """
    deadline = time.monotonic() + limit
    pause = threading.Event()
    while model.users and time.monotonic() < deadline:
        pause.wait(0.002)
