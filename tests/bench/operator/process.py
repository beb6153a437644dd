"""The operator as a program of its own, as its image starts it, and what the kernel says of it."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lab.home import REPOSITORY

MIB = 1 << 20


@dataclass
class Fresh:
    """Starts operators; unlike a fork of `tests.apiserver.zygote` one shares no memory with anybody."""

    _running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start_operator(self, environment: dict[str, str], log: Path) -> int:
        """The process number of a new operator."""
        command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "edgemodel_operator"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, env=os.environ | environment, stdout=output, stderr=output, cwd=REPOSITORY
            )
        self._running[process.pid] = process
        return process.pid

    def end(self, pid: int, within: float) -> int:
        """The exit status of a process that ends, and is killed where it does not; negative: the signal."""
        process = self._running.pop(pid)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return process.wait()


@dataclass(frozen=True)
class Usage:
    """What a process has taken so far."""

    resident_mib: float
    peak_mib: float
    cpu_s: float


def usage(pid: int) -> Usage:
    """Resident memory now and at most (VmRSS, VmHWM), and processor time, user and system."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pages = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    ticks = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    resident, peak = (int(pages[name]) * 1024 / MIB for name in ("VmRSS", "VmHWM"))
    return Usage(resident, peak, ticks)
