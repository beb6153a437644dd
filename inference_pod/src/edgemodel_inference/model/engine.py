"""The engine: an active model and a resident backup, one atomic reference to both, one bounded inference thread.

A request takes the active model once, at its start, and is answered with that one, whatever is flipped meanwhile.
Runs that are known to be short are made on the event loop, where they hold up others for less time than it takes to
hand them to the thread and back (docs/decisions/0018-short-runs-inline.md).
"""

import asyncio
import math
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from edgemodel_inference import logs
from edgemodel_inference.errors import Unavailable
from edgemodel_inference.model import batching
from edgemodel_inference.model.batching import Feeds
from edgemodel_inference.model.models import Model
from edgemodel_inference.model.runner import Result, Runner, run_alone

QUEUE_LIMIT = 128
"""Requests that may wait for the inference thread, however short they are; one more is turned away."""
DEADLINE = 30.0
"""Seconds until a request is given up, and until one inference counts as stuck."""
OVERRUN = 0.1
"""Seconds of the processor that no short run takes: a model that did so twice keeps the event loop busy no more."""
SUSPICION = 1000
"""Short runs whose use of the processor is looked at after one that was long."""

log = logs.Log("edgemodel.engine")


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
        self._suspicious = 0

    @property
    def active(self) -> Model | None:
        return self._slots.active

    @property
    def backup(self) -> Model | None:
        return self._slots.backup

    @property
    def queue_length(self) -> int:
        """Requests that wait or run now."""
        return self._runner.waiting

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

    def infer_now(self, model: Model, feeds: Feeds) -> Result | None:
        """Run `model` here and now where that is known to be short; None where it is not.

        Raises:
            Unprocessable: the model fails on these values.
        """
        return self._run_inline(model, feeds) if 0 < batching.rows_of(feeds) <= model.batching.inline else None

    async def infer(self, model: Model, feeds: Feeds) -> Result:
        """Run `model` on the inference thread.

        Raises:
            Unavailable: too many requests wait, or this one took too long.
            Unprocessable: the model fails on these values.
        """
        if self._runner.waiting >= QUEUE_LIMIT:
            raise Unavailable(f"{QUEUE_LIMIT} requests are waiting; try again later")
        if (wait := self._runner.overload(model, DEADLINE)) is not None:
            raise Unavailable(f"requests wait for {wait:.1f} s; try again later", retry_after=math.ceil(wait))
        ticket, future = self._runner.submit(model, feeds, batching.rows_of(feeds))
        deadline = future.get_loop().call_later(DEADLINE, _give_up, future)
        try:
            return await future
        finally:
            deadline.cancel()
            self._runner.drop(ticket)

    def forget(self, tasks: "Collection[asyncio.Task[Any]]") -> None:
        """The callers of `tasks` are gone: what they wait for is not run, where it has not begun."""
        for future in self._runner.waiting_of(tasks):
            if not future.done():
                future.set_exception(Unavailable("the caller is gone"))

    def _run_inline(self, model: Model, feeds: Feeds) -> Result:
        used = time.thread_time() if self._suspicious else None
        began = time.monotonic()
        try:
            return run_alone(model, feeds, began)
        finally:
            if used is not None:
                self._suspicious -= 1
            if time.monotonic() > began + OVERRUN:
                self._doubt(model, used)

    def _doubt(self, model: Model, used: float | None) -> None:
        """A run was long by the clock on the wall, which also goes on while others have the processor.

        The processor's own time tells, but to ask for it takes as long as a short run: it is asked for from now on.
        """
        if used is None:
            self._suspicious = SUSPICION
        elif time.thread_time() > used + OVERRUN:
            model.batching = replace(model.batching, inline=0)
            log.warning("a run was much longer than was measured; the thread runs the model now", digest=model.digest)

    def close(self) -> None:
        """Take no more work."""
        self._runner.close()


def _give_up(future: "asyncio.Future[Result]") -> None:
    if not future.done():
        future.set_exception(Unavailable(f"no answer from the model within {DEADLINE:.0f} s"))


def await_users(model: Model, limit: float = 2.0) -> None:
    """Return when no request is being answered with `model` any more, or after `limit` seconds.

    So that whoever is told of a switch afterwards sees no answer of the old version after the news.
    """
    deadline = time.monotonic() + limit
    pause = threading.Event()
    while model.users and time.monotonic() < deadline:
        pause.wait(0.002)
