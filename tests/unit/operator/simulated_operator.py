"""The operator from its reconciler down, around an API server in memory: what kopf and HTTP do is done here."""

from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any

from edgemodel_operator.api import resource
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.cluster.world import Signals
from edgemodel_operator.cluster.world import World as Indexes
from edgemodel_operator.model.observation import Notice, Observation
from edgemodel_operator.reconcile import Reconciler
from edgemodel_operator.signals.board import Board
from edgemodel_operator.signals.inbox import Waiting
from edgemodel_operator.signals.reports import Sample
from tests.unit.operator.api_in_memory import ApiInMemory
from tests.unit.operator.plant import IMAGES, KEY
from tests.unit.operator.watches import Watches


class SimulatedOperator:
    """One process: it is woken by watches, signals and its own deadlines only, and remembers nothing else."""

    def __init__(self, api: ApiInMemory, now: datetime) -> None:
        """Start: list, and look at everything once."""
        self.now = now
        self.board = Board(10.0)
        self.eyes = _Eyes()
        self.watches = Watches(api, self.eyes)
        self._reconciler = Reconciler(api, self.eyes, self.board, IMAGES, self.clock)
        self._delivered: list[Waiting] = []
        self._running = 0.0
        """Seconds since its start: deadlines are kept on a clock that nobody sets."""
        self._deadline: float | None = None
        self._fresh: bool | None = None
        self._rung = True
        self.board.begin(now)
        api.notify = self.watches.changed

    def clock(self) -> datetime:
        """The time that it believes it is (a method, so that a copy of a world has its own)."""
        return self.now

    @property
    def observed(self) -> Observation | None:
        """What the last tick decided on; None where there was nothing to decide."""
        return self.eyes.observed

    def observe(self) -> Observation | None:
        """What it knows at this moment; None where it sees no EdgeModel."""
        body = self.eyes.body(KEY)
        return None if body is None else self.eyes.observe(resource.parse(body), self.board, self.now)

    @property
    def looking(self) -> bool:
        """Whether it waits for the first answer of its signals before it decides anything."""
        return self.board.patience(self.now) > 0

    @property
    def stumbling(self) -> bool:
        """Whether it tries again what the API server refused."""
        return bool(self._reconciler._failures)

    def advance(self, now: datetime, seconds: float) -> None:
        """Time passes."""
        self.now = now
        self._running += seconds
        self.watches.age()

    def listen(self, samples: Iterable[Sample] | None) -> None:
        """One reading of the signals (None: their source did not answer)."""
        changed = samples is not None and KEY in self.board.take(samples, self.now)
        fresh, self._fresh = self._fresh, self.board.telemetry(self.now)
        self._rung |= changed or fresh is not self._fresh

    def receive(self, notices: Iterable[Notice]) -> None:
        """Alertmanager delivers what was not answered with 200 yet."""
        inbox = self.board.inbox
        self._delivered += [
            inbox.put(KEY, (n,)) for n in notices if all(n is not known for known in inbox.notices(KEY))
        ]
        self._rung |= bool(self._delivered)

    def answer(self) -> list[Notice]:
        """What is written down, so that Alertmanager gets its 200."""
        written = [entry for entry in self._delivered if entry.written.is_set()]
        for entry in written:
            self._delivered.remove(entry)
            self.board.inbox.take_back(KEY, entry)
        return [notice for entry in written for notice in entry.notices]

    def woken(self) -> bool:
        """Whether it has a reason to tick; asking uses the reason up."""
        due = self._deadline is not None and self._deadline <= self._running
        if due:
            self._deadline = None
        woken = self.watches.deliver() or self._rung or due
        self._rung = False
        return woken

    def tick(self) -> None:
        """Look once, and do what there is to do."""
        self.eyes.observed = None
        delay: float | None = _finish(self._reconciler.tick(KEY))
        if delay is not None:
            moment = self._running + delay
            self._deadline = moment if self._deadline is None else min(self._deadline, moment)


class _Eyes(Indexes):
    """The operator's indexes; what was observed last is kept for the audit."""

    def __init__(self) -> None:
        super().__init__()
        self.observed: Observation | None = None

    def observe(self, model: EdgeModel, signals: Signals, now: datetime) -> Observation:
        """See `World.observe`."""
        self.observed = super().observe(model, signals, now)
        return self.observed


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what never has to wait for anything."""
    try:
        work.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("an API server in memory lets nobody wait")
