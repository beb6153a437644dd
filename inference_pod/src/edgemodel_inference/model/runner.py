"""The inference thread: takes requests from a queue and runs those together that wait together."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgemodel_inference.errors import RequestError
from edgemodel_inference.model import batching
from edgemodel_inference.model.batching import Feeds
from edgemodel_inference.model.models import Array, Model


class Result(NamedTuple):
    """All outputs, and when the model ran."""

    outputs: list[Array]
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """One request, and who waits for it."""

    model: Model
    feeds: Feeds
    rows: int
    future: "asyncio.Future[Result]"


Outcome = Result | Exception


class Runner:
    """One thread. It never holds a request back to wait for others: what waits when it is free is run together.

    The more callers there are, the more wait, so that batches grow with the load and cost nothing without it.
    """

    def __init__(self, delay: float = 0.0) -> None:
        """`delay`: seconds that a batch which is not full waits for more, once batches have formed by themselves."""
        self._delay = delay
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._next: Job | None = None
        self._crowded = False
        self.waiting = 0
        """Requests that wait or run now, also those whose callers have given up; counted on the event loop."""
        self.running_since: float | None = None
        """When the present run began, on the monotonic clock."""
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def submit(self, model: Model, feeds: Feeds, rows: int) -> "asyncio.Future[Result]":
        """Queue a request of `rows`; called on the event loop, which also gets the result."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting += 1
        self._jobs.put(Job(model, feeds, rows if model.batching.rows > 1 else 0, future))
        return future

    def close(self) -> None:
        """Take no more work."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._next or self._jobs.get()) is not None:
            self._next = None
            jobs = self._gather(job)
            self._crowded = len(jobs) > 1
            began = self.running_since = time.monotonic()
            try:
                outcomes = _run(jobs, began)
            finally:
                self.running_since = None
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
            job = self._take(patience)
            if job is None:
                break
            if (
                job.model is not first.model
                or not 0 < job.rows <= most - rows
                or not batching.alike(first.feeds, job.feeds)
            ):
                self._next = job
                break
            jobs.append(job)
            rows += job.rows
        return jobs

    def _take(self, patience: float) -> Job | None:
        left = patience - time.monotonic()
        try:
            job = self._jobs.get(timeout=left) if left > 0 else self._jobs.get_nowait()
        except queue.Empty:
            return None
        if job is None:
            self._jobs.put(None)  # the end comes after what was taken
        return job


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
