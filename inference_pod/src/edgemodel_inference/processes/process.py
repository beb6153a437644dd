"""One worker process, as the supervisor sees it. Standard library only."""

import contextlib
import itertools
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from edgemodel_inference.processes.control import Answer, Ask, Beat, Channel, Message, Serving, Start

EXIT_SETTINGS = 78
"""Exit code of a worker whose settings are wrong (EX_CONFIG of sysexits.h): starting again cannot help."""

EXIT_BUG = 70
"""Exit code of a worker that found itself broken (EX_SOFTWARE): no model is to blame."""

ENDING = (signal.SIGTERM, signal.SIGINT)
"""Signals that ask the command to end."""


@dataclass(frozen=True, slots=True)
class Said:
    """A worker said something."""

    worker: "WorkerProcess"
    message: Message


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker is gone."""

    worker: "WorkerProcess"
    code: int


class WorkerProcess:
    """A running worker: the conversation with it, and when it last gave a sign of life."""

    def __init__(self, listeners: Sequence[socket.socket], start: Start, events: "queue.SimpleQueue[object]") -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = [sock.fileno() for sock in (theirs, *listeners)]
            command = [sys.executable, "-m", "edgemodel_inference.processes.worker", *map(str, inherited)]
            with _signals_held():
                self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)
        self._channel = Channel(ours)
        self._events = events
        self._numbers = itertools.count()
        self._answers: dict[int, queue.SimpleQueue[str | None]] = {}
        self.started = self.last_sign = time.monotonic()
        self.serving = False
        self.relieved = False
        self.led = False
        self.beat = Beat(ready=False)
        self._channel.send(start)
        threading.Thread(target=self._listen, name=f"worker-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, message: Message) -> None:
        """Tell it something; a worker that is gone will be noticed by its exit."""
        self._channel.send(message)

    def ask(self, what: str, timeout: float) -> str | None:
        """Its metrics or status as text; None where it is not up or does not answer within `timeout` seconds."""
        if not self.serving:
            return None
        number = next(self._numbers)
        answer = self._answers[number] = queue.SimpleQueue()
        try:
            self.send(Ask(number, what))
            return answer.get(timeout=timeout)
        except queue.Empty:
            return None
        finally:
            del self._answers[number]

    def kill(self) -> None:
        """End it at once."""
        self._popen.send_signal(signal.SIGKILL)

    def _listen(self) -> None:
        for message in self._channel:
            match message:
                case Beat():
                    self.beat, self.last_sign = message, time.monotonic()
                case Answer(number, body):
                    if (waiting := self._answers.get(number)) is not None:
                        waiting.put(body)
                case Serving():
                    self.serving = True
                    self._events.put(Said(self, message))
                case _:
                    self._events.put(Said(self, message))
        for waiting in list(self._answers.values()):
            waiting.put(None)
        self._events.put(Exited(self, self._popen.wait()))
        self._channel.close()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """What is started meanwhile never sees the signals that end a program.

    A terminal's Ctrl-C and systemd's stop reach every process of a service: the supervisor alone is to act on them. A
    worker would lose its requests, and a model that is being tried in the jail would be refused as one that crashed.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reap_orphans(own: Collection[int]) -> None:
    """Collect what process 1 inherits: children of a worker that died before them.

    Workers themselves (`own`) are left to their `WorkerProcess`.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)
