"""The inference thread: takes requests from a queue and runs those together that wait together."""

import asyncio
import contextlib
import itertools
import math
import queue
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgemodel_inference.errors import RequestError
from edgemodel_inference.model import batching
from edgemodel_inference.model.batching import Feeds
from edgemodel_inference.model.models import Array, Model

SMOOTH = 0.25
"""Share of the latest run in what requests take lately."""


class Result(NamedTuple):
    """All outputs, and when the model ran."""

    outputs: list[Array]
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """One request, and who waits for it since when."""

    model: Model
    feeds: Feeds
    rows: int
    future: "asyncio.Future[Result]"
    task: "asyncio.Task[Any] | None"
    since: float


Outcome = Result | Exception


class Runner:
    """One thread. It never holds a request back to wait for others: what waits when it is free is run together.

    The more callers there are, the more wait, so that batches grow with the load and cost nothing without it. Whose
    caller has given up is not run: under overload the thread would be busy with nothing else.
    """

    def __init__(self, delay: float = 0.0) -> None:
        """`delay`: seconds that a batch which is not full waits for more, once batches have formed by themselves."""
        self._delay = delay
        self._tickets: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._queued: dict[int, Job] = {}
        """By ticket. Whoever takes a job out has it: the thread to run it, the event loop to forget it."""
        self._next: int | None = None
        self._crowded = False
        self._pace = 0.0
        """Seconds of the thread that a request took lately; in company, its share."""
        self._patience = math.inf
        """Seconds after which a caller gave up, the least since the queue was empty."""
        self.waiting = 0
        """Requests that wait or run now; counted on the event loop."""
        self.running_since: float | None = None
        """When the present run began, on the monotonic clock."""
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def overload(self, model: Model, patience: float) -> float | None:
        """Seconds that another request for `model` would wait, where that is too long; None: it may come.

        Half the time after which callers give up is long enough: those who are let in are answered in time, and where
        more come than can be answered the others hear so at once. A batch that runs and one that waits are always let
        in, so that the thread has work. `patience`: seconds, as long as nobody has given up sooner.
        """
        wait = self.waiting * self._pace
        crowd = self.waiting >= 2 * model.batching.rows
        return wait if crowd and wait > min(self._patience, patience) / 2 else None

    def submit(self, model: Model, feeds: Feeds, rows: int) -> "tuple[int, asyncio.Future[Result]]":
        """Queue a request of `rows`; called on the event loop, which also gets the result. Its ticket is for `drop`."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self.waiting:
            self._patience = math.inf
        self.waiting += 1
        ticket = next(self._numbers)
        rows = rows if model.batching.rows > 1 else 0
        self._queued[ticket] = Job(model, feeds, rows, future, asyncio.current_task(), time.monotonic())
        self._tickets.put(ticket)
        return ticket, future

    def drop(self, ticket: int) -> None:
        """Forget a request that nobody waits for any more; nothing, where it has run or runs now."""
        job = self._queued.pop(ticket, None)
        if job is not None:
            self.waiting -= 1
            self._patience = min(self._patience, time.monotonic() - job.since)

    def waiting_of(self, tasks: "Collection[asyncio.Task[Any]]") -> "list[asyncio.Future[Result]]":
        """What requests of `tasks` wait for that do not run yet."""
        return [job.future for job in list(self._queued.values()) if job.task in tasks]

    def close(self) -> None:
        """Take no more work."""
        self._tickets.put(None)

    def _work(self) -> None:
        while (ticket := self._next or self._tickets.get()) is not None:
            self._next = None
            if (job := self._queued.pop(ticket, None)) is None:
                continue
            jobs = self._gather(job)
            self._crowded = len(jobs) > 1
            began = self.running_since = time.monotonic()
            try:
                outcomes = _run(jobs, began)
            finally:
                self.running_since = None
            share = (time.monotonic() - began) / len(jobs)
            self._pace += (share - self._pace) * (SMOOTH if self._pace else 1.0)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                job.future.get_loop().call_soon_threadsafe(self._deliver, jobs, outcomes)

    def _deliver(self, jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
        self.waiting -= len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():  # the caller has given up
                continue
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)

    def _gather(self, first: Job) -> list[Job]:
        jobs, rows, most = [first], first.rows, first.model.batching.rows
        patience = time.monotonic() + self._delay if self._crowded else 0.0
        while 0 < rows < most:
            if (ticket := self._take(patience)) is None:
                break
            if (job := self._queued.get(ticket)) is None:
                continue
            if (
                job.model is not first.model
                or not 0 < job.rows <= most - rows
                or not batching.alike(first.feeds, job.feeds)
            ):
                self._next = ticket
                break
            if self._queued.pop(ticket, None) is not None:
                jobs.append(job)
                rows += job.rows
        return jobs

    def _take(self, patience: float) -> int | None:
        left = patience - time.monotonic()
        try:
            ticket = self._tickets.get(timeout=left) if left > 0 else self._tickets.get_nowait()
        except queue.Empty:
            return None
        if ticket is None:
            self._tickets.put(None)  # the end comes after what was taken
        return ticket


def _run(jobs: Sequence[Job], began: float) -> list[Outcome]:
    if len(jobs) == 1:
        return [_try_alone(jobs[0], began)]
    model = jobs[0].model
    try:
        outputs = model.run(batching.join([job.feeds for job in jobs]))
    except RequestError:  # one of them is to blame: each by itself
        return [_try_alone(job, began) for job in jobs]
    counts = [job.rows for job in jobs]
    if any(output.shape[:1] != (sum(counts),) for output in outputs):
        return [_try_alone(job, began) for job in jobs]
    ended = time.monotonic()
    pieces = batching.split(outputs, counts)
    return [Result(piece, began, ended) for piece in pieces]


def run_alone(model: Model, feeds: Feeds, began: float) -> Result:
    """One request by itself; raises what `Model.run` raises."""
    return Result(model.run(feeds), began, time.monotonic())


def _try_alone(job: Job, began: float) -> Outcome:
    try:
        return run_alone(job.model, job.feeds, began)
    except Exception as error:  # noqa: BLE001 (whoever waits gets it, whatever it is)
        return error
