"""Processes that outlive the command that started them, ended by process id and never by name.

Each is recorded with its start time: a process id that the system has given to someone else is never touched.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError
from lab.shell import SYSTEM_PATH, find

STATE_FIELD, PARENT_FIELD, START_FIELD = 0, 1, 19  # of /proc/PID/stat, counted after the command's name


@dataclass(frozen=True)
class Process:
    """A running program: its id, and the clock tick it started at."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process runs; a zombie does not."""
        fields = _stat(self.pid)
        return fields is not None and fields[STATE_FIELD] not in "ZX" and int(fields[START_FIELD]) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still this process."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, grace_s: float = 5.0) -> None:
        """Ask it to end, and after `grace_s` make it end."""
        self.signal(signal.SIGTERM)
        if not self._ended_within(grace_s):
            self.signal(signal.SIGKILL)
            if not self._ended_within(10.0):
                raise LabError(f"process {self.pid} does not end: look at /proc/{self.pid}/stack")

    def _ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            if not self.alive():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)


def start(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start a program in a session of its own, its output appended to `log`."""
    command = [str(part) for part in argv]
    program = find(command[0])
    if program is None:
        raise LabError(f"{command[0]}: command not found")
    environment = {"PATH": SYSTEM_PATH, "HOME": os.environ.get("HOME", "/root"), **(env or {})}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(program, command, environment, file_actions=actions, setsid=True)
    return observe(pid)


def observe(pid: int) -> Process:
    """The process that has this id now. Raises LabError where there is none."""
    fields = _stat(pid)
    if fields is None:
        raise LabError(f"process {pid} ended at once")
    return Process(pid, int(fields[START_FIELD]))


def children(pid: int) -> list[int]:
    """Ids of the direct children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and int(fields[PARENT_FIELD]) == pid:
                found.append(int(entry.name))
    return found


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


class Table:
    """The lab's processes by name, in a file that is replaced as a whole at each change."""

    def __init__(self, path: Path) -> None:
        """`path` is the JSON file that keeps the record."""
        self._path = path

    def read(self) -> dict[str, Process]:
        """All recorded processes in the order they were started, running or not."""
        try:
            raw = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return {name: Process(**fields) for name, fields in raw.items()}

    def start(self, name: str, argv: Sequence[str | Path], log: Path) -> Process:
        """Start and record a process. Raises LabError where one of that name runs already."""
        if (known := self.read().get(name)) and known.alive():
            raise LabError(f"{name} runs already as process {known.pid}")
        process = start(argv, log)
        with self._changed() as table:
            table[name] = process
        return process

    def stop(self, name: str, grace_s: float = 5.0) -> None:
        """End one process and forget it."""
        if process := self.read().get(name):
            process.stop(grace_s)
            with self._changed() as table:
                table.pop(name, None)

    def dead(self) -> list[str]:
        """Names of recorded processes that no longer run."""
        return [name for name, process in self.read().items() if not process.alive()]

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Process]]:
        table = self.read()
        yield table
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({name: asdict(process) for name, process in table.items()}, indent=1))
        fresh.replace(self._path)
