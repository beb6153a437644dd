"""The agent: follows the wish. Level-triggered: each pass looks at the wish as it is now and does what is missing.

A pass that meets a refused artifact notes the refusal, and the next plan passes it over; a pass that meets an
unreachable origin is repeated after a growing pause. Neither touches what serves.
"""

import threading
import time
from collections.abc import Callable

from edgemodel.wish import Artifact, Wish
from edgemodel_inference import logs
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import Refused, Superseded, Unreachable
from edgemodel_inference.model.models import Model
from edgemodel_inference.wish.loader import Loader
from edgemodel_inference.wish.news import WishSource
from edgemodel_inference.wish.pending import LONGEST_PAUSE, Pending, pause_after
from edgemodel_inference.wish.plan import Target, plan
from edgemodel_inference.wish.second_chance import SecondChances
from edgemodel_inference.wish.serving import Serving

POLL = 0.2
"""Seconds between two looks at the wish file."""

log = logs.Log("edgemodel.agent")


class Agent:
    """Runs on its own thread; `restore` runs before it, on the main one."""

    def __init__(  # noqa: PLR0913, PLR0917 (the parts it connects)
        self, node: str, source: WishSource, loader: Loader, store: Store, serving: Serving, refusals: Refusals
    ) -> None:
        self._node = node
        self._source = source
        self._loader = loader
        self._store = store
        self._serving = serving
        self._refusals = refusals
        self._listeners: list[Callable[[Wish], None]] = []
        self._chores: list[Callable[[float], None]] = []
        self._chances = SecondChances(refusals)
        self._stop = threading.Event()
        self.pending: Pending | None = None
        self.revision = 0
        """Revision of the wish that was carried out last."""

    @property
    def wish(self) -> Wish | None:
        """The wish in force."""
        return self._source.wish

    @property
    def problem(self) -> str | None:
        """What is wrong with the wish file as it is now."""
        return self._source.problem

    @property
    def reason(self) -> str:
        """Why the active version answers.

        Wish; Fallback: the wished version is refused; Pending: it is on its way; LastServed: there is no wish.
        """
        wish, active = self.wish, self._serving.active
        assignment = wish.for_node(self._node) if wish else None
        if wish is None or assignment is None or active is None:
            return "LastServed"
        if assignment.active.digest == active.digest:
            return "Wish"
        return "Fallback" if self._is_refused(wish, assignment.active.digest) else "Pending"

    def on_wish(self, listener: Callable[[Wish], None]) -> None:
        """Call `listener` with every new wish."""
        self._listeners.append(listener)

    def on_pass(self, chore: Callable[[float], None]) -> None:
        """Call `chore` after every pass: the store is written by this thread alone."""
        self._chores.append(chore)

    def restore(self) -> None:
        """Serve from the disk what is wished, or else what was served before; no network."""
        self._take_news()
        last, target = self._serving.last(), self._target()
        first = [target.active] if target is not None else []
        for artifact in (*first, last.active, last.backup):
            if artifact is not None and self._serving.active is None:
                self._reopen(artifact, lambda model: self._serving.activate(model, lambda: True))
        # The backup too, before connections are accepted: who dies early has one version to blame, not two.
        second = target.backup if target is not None else last.backup
        active = self._serving.active
        if second is not None and active is not None and second.digest != active.digest:
            self._reopen(second, self._serving.stand_by)

    def run(self, stop: threading.Event) -> None:
        """Follow the wish until `stop`."""
        self._stop = stop
        while not stop.is_set():
            try:
                self.step(time.monotonic())
            except OSError as error:  # the disk; the next pass looks again
                log.warning("disk trouble", error=str(error))
                stop.wait(LONGEST_PAUSE / 10)
            stop.wait(POLL)

    def step(self, now: float) -> None:
        """One pass."""
        self._follow(now)
        for chore in self._chores:
            chore(now)

    def _follow(self, now: float) -> None:
        self._take_news()
        self._chances.give(now)
        target = self._target()
        if target is None or (self.pending is not None and self._is_waiting(self.pending, target, now)):
            return
        try:
            if self._reach(target, now):
                self.pending = None
        except Superseded:
            self.pending = None

    def _take_news(self) -> None:
        wish = self._source.read()
        if wish is None:
            return
        self._refusals.clear(wish.clearings)
        for listener in self._listeners:
            listener(wish)

    def _target(self) -> Target | None:
        wish = self.wish
        return plan(wish, self._node, self._refusals.__contains__) if wish is not None else None

    def _is_refused(self, wish: Wish, digest: str) -> bool:
        return digest in wish.refused or digest in self._refusals

    def _is_waiting(self, pending: Pending, target: Target, now: float) -> bool:
        active = self._serving.active
        reached = active is not None and active.artifact == target.active
        return now < pending.retry_at and pending.artifact == (target.backup if reached else target.active)

    def _reach(self, target: Target, now: float) -> bool:
        """Do what is missing to `target`; whether nothing is missing now."""
        if target.active is None:
            self._serve_nothing_refused()
        elif not self._reach_active(target.active, now):
            return False
        if not self._reach_backup(target, now):
            return False
        wish = self.wish
        if wish is not None and self.revision != wish.revision:
            self.revision = wish.revision
            log.info("wish carried out", revision=wish.revision)
            self._store.evict(self._pinned())
        return True

    def _reach_active(self, artifact: Artifact, now: float) -> bool:
        active, backup = self._serving.active, self._serving.backup
        if active is not None and active.artifact == artifact:
            return True
        resident = next((m for m in (backup, active) if m is not None and m.artifact == artifact), None)
        model = resident if self._loader.has_at_hand(resident) else self._obtain(artifact, now, resident)
        if model is None:
            return False
        return self._serving.activate(model, lambda: self._is_active_target(artifact))

    def _reach_backup(self, target: Target, now: float) -> bool:
        wish, active, backup = self.wish, self._serving.active, self._serving.backup
        if wish is None or active is None:
            return True
        if target.backup is None:
            if backup is not None and self._is_refused(wish, backup.digest):
                self._serving.stand_by(None)
            return True
        resident = backup if backup is not None and backup.artifact == target.backup else None
        if self._loader.has_at_hand(resident):
            return True
        model = self._obtain(target.backup, now, resident)
        if model is None:
            return False
        self._serving.stand_by(model)
        return True

    def _serve_nothing_refused(self) -> None:
        """The wish leaves nothing to serve: what answers goes on, unless it is refused itself."""
        wish, active, backup = self.wish, self._serving.active, self._serving.backup
        if wish is None or active is None or not self._is_refused(wish, active.digest):
            return
        if backup is not None and not self._is_refused(wish, backup.digest):
            self._serving.activate(backup, lambda: True)
        else:
            self._serving.unload()

    def _is_active_target(self, artifact: Artifact) -> bool:
        target = self._target()
        return target is not None and target.active == artifact

    def _obtain(self, artifact: Artifact, now: float, resident: Model | None) -> Model | None:
        last = self.pending if self.pending is not None and self.pending.artifact == artifact else None
        attempts = 0 if last is None else last.attempts
        # While what failed is tried again its reason stands.
        reason = (self._chances.take(artifact.digest) or "Fetching") if last is None else last.reason
        self.pending = Pending(artifact, reason, "" if last is None else last.message, attempts)
        try:
            return self._loader.obtain(artifact, self.break_off_on_news, resident)
        except Refused as error:
            self.pending = None
            if not error.blameless:
                self._store.discard(artifact.digest)
            self._chances.refuse(artifact, error, now)
        except Unreachable as error:
            pause = pause_after(attempts)
            self.pending = Pending(artifact, error.code, str(error), attempts + 1, time.monotonic() + pause)
            if error.code == "DiskFull":
                self._store.make_room({*self._pinned(), artifact.digest})
            log.warning("unreachable", digest=artifact.digest, error=str(error), retry_in=round(pause, 2))
        return None

    def _reopen(self, artifact: Artifact, use: Callable[[Model], object]) -> None:
        wish = self.wish
        if artifact.digest in self._refusals or (wish is not None and artifact.digest in wish.refused):
            return
        try:
            model = self._loader.reopen(artifact)
        except Refused as error:
            self._chances.refuse(artifact, error, time.monotonic())
            return
        if model is not None:
            use(model)

    def _pinned(self) -> set[str]:
        models = (self._serving.active, self._serving.backup)
        return {model.digest for model in models if model is not None}

    def break_off_on_news(self, _done: int, _total: int) -> None:
        """Raise `Superseded` where there is something else to do than to go on with a download."""
        if self._stop.is_set() or self._source.has_news():
            raise Superseded("there is something else to do now")
