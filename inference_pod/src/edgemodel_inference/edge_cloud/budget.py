"""So many requests in 24 hours, over restarts and whatever the wall clock does.

The 24 hours are the monotonic clock's; the wall clock says only how long the machine was off, and never takes time
back. What is spent is written down before it is, some at a time, so that no request waits for the disk alone and a
crash costs a few requests, never grants any.
"""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgemodel.document import Document
from edgemodel_inference import logs
from edgemodel_inference.disk.records import save

DAY = 24 * 3600.0
SHARE = 20
"""Of this many parts of the budget one is written down at a time."""

log = logs.Log("edgemodel.budget")


class Ledger(Document):
    """What was spent since `began`, on the monotonic clock of `boot`; written at `clock`, when `wall` was the time."""

    boot: str
    began: float
    clock: float
    wall: float
    spent: int


@dataclass(frozen=True, slots=True)
class _Grant:
    """Requests that may be sent until `ends`, and how many are left for later."""

    held: int
    left: int
    ends: float


class Budget:
    """`take` on the event loop, `left` from anywhere. Processes that follow each other share one file."""

    def __init__(
        self,
        path: Path,
        boot: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._boot, self._clock, self._wall = path, boot, clock, wall
        self._limit = 0
        self._last: Ledger | None = None
        self._grant = _Grant(0, 0, 0.0)
        self._writing: asyncio.Future[_Grant] | None = None

    def allow(self, limit: int) -> None:
        """From now on `limit` in 24 hours; what was spent before counts. Reads the disk."""
        self._limit = limit
        ledger = self._current(self._clock())
        self._grant = _Grant(0, max(0, limit - ledger.spent), ledger.began + DAY)

    def left(self) -> int:
        """What may still be sent in the present 24 hours."""
        grant = self._grant
        return self._limit if self._clock() >= grant.ends else grant.held + grant.left

    async def take(self) -> bool:
        """Take one, where there is one."""
        while True:
            grant, over = self._grant, self._clock() >= self._grant.ends
            if grant.held and not over:
                self._grant = _Grant(grant.held - 1, grant.left, grant.ends)
                return True
            if not grant.left and not over:
                return False
            await self._refill()  # gives some, or leaves nothing

    async def _refill(self) -> None:
        if self._writing is None:  # it goes on where whoever began it gives up
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._reserve))
            self._writing.add_done_callback(self._take_over)
        await asyncio.shield(self._writing)

    def _take_over(self, writing: "asyncio.Future[_Grant]") -> None:
        self._writing = None
        self._grant = writing.result()

    def _reserve(self) -> _Grant:
        with _locked(self._path.with_suffix(".lock")):
            now = self._clock()
            ledger = self._current(now)
            held = max(0, min(-(-self._limit // SHARE), self._limit - ledger.spent))
            if held:
                wall = self._wall()
                ledger = ledger.model_copy(update={"clock": now, "wall": wall, "spent": ledger.spent + held})
                save(self._path, ledger.dump().encode())
            self._last = ledger
            return _Grant(held, max(0, self._limit - ledger.spent), ledger.began + DAY)

    def _current(self, now: float) -> Ledger:
        """The present 24 hours: the disk's, or where that cannot be written, what was in memory."""
        known = [self._of_this_boot(ledger, now) for ledger in (self._read(), self._last) if ledger is not None]
        present = [ledger for ledger in known if now < ledger.began + DAY]
        fresh = Ledger(boot=self._boot, began=now, clock=now, wall=self._wall(), spent=0)
        return max(present, key=lambda ledger: ledger.spent, default=fresh)

    def _of_this_boot(self, ledger: Ledger, now: float) -> Ledger:
        if ledger.boot == self._boot:
            return ledger
        age = max(0.0, ledger.clock - ledger.began) + max(0.0, self._wall() - ledger.wall)
        return ledger.model_copy(update={"boot": self._boot, "began": now - age, "clock": now, "wall": self._wall()})

    def _read(self) -> Ledger | None:
        try:
            return Ledger.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("damaged, begun anew", path=self._path, error=str(error))
            return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A worker and its successor write one after the other; where no lock can be had, nobody is kept waiting."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("not locked", path=path, error=str(error))
        yield
