"""Process 1: owns the sockets and keeps a worker alive.

Imports nothing beyond the standard library and this package's small modules, so that it stays a few MiB: the
model, its libraries and everything that can fail live in the worker, which can be replaced in a second.

One thread decides (`run`); it takes what happened from a queue. A worker is the *leader* while it follows the
wish; at any time at most one leads, because the leader alone writes the state folder.
"""

import os
import queue
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence

from edgemodel_inference import logs
from edgemodel_inference.config import options, server_block
from edgemodel_inference.errors import SettingsError
from edgemodel_inference.processes.admin import AdminServer
from edgemodel_inference.processes.control import Drain, Lead, Relieved, Restart, Serving, Start
from edgemodel_inference.processes.crashes import Crash, culprit, pause
from edgemodel_inference.processes.listeners import allow_many, bind, keep_standard_numbers
from edgemodel_inference.processes.process import (
    ENDING,
    EXIT_BUG,
    EXIT_SETTINGS,
    Exited,
    Said,
    WorkerProcess,
    reap_orphans,
)
from edgemodel_inference.processes.state_lock import claim
from edgemodel_inference.wish import mount

BEAT_LIMIT = 10.0
"""Seconds without a heartbeat after which a worker hangs and is killed."""
START_LIMIT = 60.0
"""Seconds that a worker may take from its start to its first heartbeat: a slow disk, a large model."""
LAME_DUCK = 2.0
"""Seconds for which connections are still accepted after SIGTERM, until callers have heard that we are not ready."""
DRAIN_LIMIT = 15.0
"""Seconds after which a worker that is to end is killed."""
ANSWER_LIMIT = 2.0
TICK = 0.2

log = logs.Log("edgemodel.supervisor")


class Supervisor:
    """Starts workers, watches them, replaces them, ends them."""

    def __init__(self, listeners: Sequence[socket.socket], watch: mount.MountWatch) -> None:
        self._listeners = listeners
        self._watch = watch
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._leader: WorkerProcess | None = None
        self._successor: WorkerProcess | None = None
        self._retiring: dict[WorkerProcess, float] = {}
        self._crashes: list[Crash] = []
        self._restarts: Counter[str] = Counter()
        self._avoid: str | None = None
        self._next_start = 0.0
        self._stopping = False
        self._close_at = float("inf")
        self._exit_code = 0

    # What the admin port shows; called from its threads.

    def alive(self) -> bool:
        """Whether the worker beats, or is on its way up, and wishes can reach it."""
        leader = self._leader
        if self._watch.gone_for(time.monotonic()) > mount.LIVENESS_LIMIT:
            return False
        return leader is None or not self._is_stale(leader)

    def ready(self) -> bool:
        """Whether connections are accepted, a verified model answers, and new callers are welcome."""
        leader = self._leader
        return leader is not None and leader.serving and leader.beat.ready and not self._stopping and self.alive()

    def ask(self, what: str) -> str | None:
        """The worker's ``metrics`` or ``status``."""
        leader = self._leader
        return leader.ask(what, ANSWER_LIMIT) if leader is not None else None

    def overview(self) -> dict[str, object]:
        """The supervisor's part of ``/status``."""
        leader = self._leader
        return {
            "alive": self.alive(),
            "ready": self.ready(),
            "stopping": self._stopping,
            "worker": leader.pid if leader else None,
            "restarts": dict(self._restarts),
        }

    def stop(self) -> None:
        """Drain and end; safe in a signal handler."""
        self._events.put(signal.SIGTERM)

    def run(self) -> int:
        """Supervise until `stop`; returns the exit code."""
        while True:
            self._check()
            if self._stopping and not self._workers():
                return self._exit_code
            try:
                event = self._events.get(timeout=TICK)
            except queue.Empty:
                continue
            match event:
                case Said(worker, message):
                    self._hear(worker, message)
                case Exited(worker, code):
                    self._bury(worker, code)
                case signal.SIGTERM:
                    self._begin_stop()

    def _workers(self) -> list[WorkerProcess]:
        return [w for w in (self._leader, self._successor, *self._retiring) if w is not None]

    def _is_stale(self, worker: WorkerProcess) -> bool:
        limit = BEAT_LIMIT if worker.serving else START_LIMIT
        return time.monotonic() > worker.last_sign + limit

    def _spawn(self) -> WorkerProcess:
        worker = WorkerProcess(self._listeners, Start(self._avoid, dict(self._restarts)), self._events)
        log.info("worker started", pid=worker.pid, avoid=self._avoid)
        return worker

    def _check(self) -> None:
        now = time.monotonic()
        reap_orphans({w.pid for w in self._workers()})
        if self._leader is None and not self._stopping and now >= self._next_start:
            self._leader = self._spawn()
        for worker in (self._leader, self._successor):
            if worker is not None and self._is_stale(worker):
                log.error("worker hangs", pid=worker.pid, silent=round(now - worker.last_sign, 1))
                worker.kill()
        for worker, deadline in self._retiring.items():
            if now > deadline:
                worker.kill()
        self._end_without_mount(now)
        if now > self._close_at:
            for listener in self._listeners:
                listener.close()  # from here on callers are refused, instead of waiting for nobody

    def _end_without_mount(self, now: float) -> None:
        """End in a quiet moment, with no replacement under way, when no wish can come any more."""
        if self._stopping or self._successor is not None or self._retiring:
            return
        gone = self._watch.gone_for(now)
        if gone > mount.GONE_LIMIT:
            log.error("the wish's mount is gone; ending, so that the container is started with a new one", seconds=gone)
            self._exit_code = mount.EXIT_MOUNT_GONE
            self._begin_stop()

    def _hear(self, worker: WorkerProcess, message: object) -> None:
        match message:
            case Serving():
                self._avoid = None  # it has written down by now what it was told to refuse
                if worker is self._successor:
                    self._hand_over(worker)
            case Restart(reason):
                if worker is self._leader and self._successor is None and not self._stopping:
                    self._restarts[reason] += 1
                    self._successor = self._spawn()
            case Relieved():
                worker.relieved = True
        self._let_lead()

    def _hand_over(self, successor: WorkerProcess) -> None:
        if self._leader is not None:
            self._retire(self._leader, linger=0.0)
        self._leader, self._successor = successor, None

    def _let_lead(self) -> None:
        leader = self._leader
        if leader is None or not leader.serving or leader.led or not all(w.relieved for w in self._retiring):
            return
        leader.led = True
        leader.send(Lead())

    def _retire(self, worker: WorkerProcess, linger: float) -> None:
        worker.send(Drain(linger))
        self._retiring[worker] = time.monotonic() + linger + DRAIN_LIMIT

    def _bury(self, worker: WorkerProcess, code: int) -> None:
        log.info("worker ended", pid=worker.pid, code=code)
        expected = self._retiring.pop(worker, None) is not None
        if worker is self._successor:
            self._successor = None
        elif worker is self._leader:
            self._leader, self._successor = self._successor, None
        if code == EXIT_SETTINGS:
            self._stopping, self._exit_code = True, code
        elif not expected and not self._stopping:
            self._count_crash(None if code == EXIT_BUG else worker.beat.digest)
        self._let_lead()

    def _count_crash(self, digest_in_use: str | None) -> None:
        now = time.monotonic()
        self._restarts["Crash"] += 1
        self._crashes = [*self._crashes[-20:], Crash(now, digest_in_use)]
        self._next_start = now + pause(self._crashes, now)
        if (digest := culprit(self._crashes, now)) is not None:
            self._avoid = digest
            log.error("workers keep dying under one version", digest=digest)

    def _begin_stop(self) -> None:
        if self._stopping:
            return
        log.info("stopping")
        self._stopping = True
        self._close_at = time.monotonic() + LAME_DUCK
        for worker in (self._leader, self._successor):
            if worker is not None and not worker.serving:
                worker.kill()  # nobody waits for an answer of it
        if self._leader is not None and self._leader.serving:
            self._retire(self._leader, LAME_DUCK)
            self._leader = None


def main() -> None:
    """The ``edgemodel-serve`` command."""
    keep_standard_numbers()
    allow_many()
    given = options.read(sys.argv[1:])
    logs.configure()
    try:
        chosen = server_block.settle(os.environ, given)
        claim(chosen.state)
        listeners = [bind(chosen.port, "--port")]
        if chosen.grpc_port is not None:
            listeners.append(bind(chosen.grpc_port, "--grpc-port"))
        admin_listener = bind(chosen.admin_port, "--admin-port")
    except SettingsError as error:
        sys.exit(f"edgemodel-serve: {error}")
    os.environ.update(given)  # workers read the environment alone
    supervisor = Supervisor(listeners, mount.MountWatch(None if chosen.local else chosen.wish))
    for number in ENDING:
        signal.signal(number, lambda *_: supervisor.stop())
    AdminServer(admin_listener, supervisor).start()
    port, grpc_port, *_ = [*(listener.getsockname()[1] for listener in listeners), None]
    log.info("listening", port=port, grpc_port=grpc_port, admin_port=admin_listener.getsockname()[1])
    sys.exit(supervisor.run())
