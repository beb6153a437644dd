"""Operators as forks of one process that has imported everything: a start costs what the operator does, not Python."""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.home import REPOSITORY
from tests.apiserver.operator_process import TOKEN, wait_for


@dataclass
class Nursery:
    """Forks operators; see `zygote.py`."""

    process: "subprocess.Popen[str]"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fork(self, environment: dict[str, str], log: Path) -> int:
        """The process number of a new operator."""
        order = json.dumps({"environment": environment, "log": str(log)})
        with self.lock:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(f"{order}\n")
            self.process.stdin.flush()
            return int(self.process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Ready within a few seconds; what it forked ends with it."""
    command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "tests.apiserver.zygote"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Nursery(process)
        finally:
            process.kill()


@dataclass
class ForkedOperator:
    """One operator that may be killed and started again, with the same ports."""

    nursery: Nursery
    kubeconfig: Path
    folder: Path
    namespace: str
    pid: int = 0
    starts: int = 0
    webhook_port: int = 0
    metrics_port: int = 0
    health_port: int = 0

    @property
    def log(self) -> str:
        """Everything that all of its processes said."""
        path = self.folder / "operator.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __post_init__(self) -> None:
        """Ports for its whole life."""
        self.webhook_port, self.metrics_port, self.health_port = (_steady_port() for _ in range(3))

    def start(self) -> None:
        """Fork it; it is not ready yet."""
        token = self.folder / "token"
        token.write_text(TOKEN)
        settings = {
            "KUBECONFIG": str(self.kubeconfig),
            "OPERATOR_NAMESPACES": self.namespace,
            "OPERATOR_INFERENCE_IMAGE": "registry/inference:1",
            "OPERATOR_DISTILL_IMAGE": "registry/distill:1",
            "OPERATOR_SIGNAL_INTERVAL": "0.5",
            "OPERATOR_WEBHOOK_PORT": str(self.webhook_port),
            "OPERATOR_WEBHOOK_TOKEN_FILE": str(token),
            "OPERATOR_HEALTH_PORT": str(self.health_port),
            "OPERATOR_METRICS_PORT": str(self.metrics_port),
        }
        self.starts += 1
        self.pid = self.nursery.fork(settings, self.folder / "operator.log")

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        pid, self.pid = self.pid, 0
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for("the operator's end", lambda: not _alive(pid), 10)

    def replace(self) -> None:
        """Kill it and start another."""
        self.kill()
        self.start()


_PORTS = itertools.count(random.randint(12_000, 20_000))  # noqa: S311 (no secret)
"""Below the ephemeral ports, which outgoing connections would take while an operator is dead; none is given twice."""


def _steady_port() -> int:
    """A port for the whole life of one operator, that nobody has now and no other operator gets."""
    for number in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("0.0.0.0", number))
            return number
    raise AssertionError("the count has no end")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
