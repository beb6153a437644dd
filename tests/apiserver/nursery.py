"""Processes as forks of one that has imported everything: a start costs what the program does, not Python."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.home import REPOSITORY


@dataclass
class Nursery:
    """Forks operators and the command; see `zygote.py`."""

    process: "subprocess.Popen[str]"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start_operator(self, environment: dict[str, str], log: Path) -> int:
        """The process number of a new operator."""
        return self._fork(["edgemodel-operator"], environment, log, log)

    def run_command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """``edgemodel …`` to its end, within a minute."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            pid = self._fork(["edgemodel", *arguments], {}, out, err)
            status = self.end(pid, within=60)
            return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())

    def end(self, pid: int, within: float) -> int:
        """The exit status of a process that ends, and is killed where it does not; negative: the signal."""
        patience = threading.Timer(within, os.kill, (pid, signal.SIGKILL))  # its number is its own until then
        patience.start()
        try:
            return self._ask({"wait": pid})
        finally:
            patience.cancel()

    def _fork(self, arguments: list[str], environment: dict[str, str], out: Path, err: Path) -> int:
        return self._ask({"arguments": arguments, "environment": environment, "out": str(out), "err": str(err)})

    def _ask(self, order: dict[str, object]) -> int:
        with self.lock:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(f"{json.dumps(order)}\n")
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
