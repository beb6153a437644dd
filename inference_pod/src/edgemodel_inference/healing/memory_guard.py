"""Leaves before the OOM killer comes: a worker whose memory grows towards its limit is replaced in time.

The successor starts beside the old worker, so there has to be room for both: the ceiling of one worker is the limit
less what the others need.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean

import psutil

from edgemodel.faults import trend
from edgemodel_inference import logs

WINDOWS = (30, 90, 300)
"""Samples that are looked at: a fast leak shows in few, a slow one among noise in many."""
NOTICE = 60.0
"""Seconds that a successor may need until it serves, with a large model on a slow disk."""
PAUSE, LONGEST_PAUSE = 60.0, 600.0
"""Seconds until a worker asks for the second time, whose successor did not come, and at most. Not sooner: three
successors that die within a minute count against their version (see `crashes`), and memory is what they lack."""
REASON = "MemoryLimit"
MIB = 1 << 20

log = logs.Log("edgemodel.memory")


def time_to(ceiling: float, samples: Sequence[float], interval: float) -> float | None:
    """Seconds until the least-squares line over `samples`, one per `interval`, is at `ceiling`; None: it does not rise.

    It rises when the 95 % confidence interval of its slope lies above zero (see `edgemodel.faults.trend`), and each
    sample of the newest third above each of the oldest: of 30 that only scatter, once in 184,756 times.
    """
    third = len(samples) // 3
    growth, sure = trend(samples)
    if not sure or min(samples[-third:]) <= max(samples[:third]):
        return None
    slope, now = growth / (len(samples) - 1) / interval, fmean(samples) + growth / 2
    return max(ceiling - now, 0.0) / slope


def memory_limit(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes that this process and its relatives may use: the control group's limit (version 2 or 1), or the machine's.

    A container sees its own group at the top of `root`; a service on a bare machine finds its in `membership`.
    """
    limits = [psutil.virtual_memory().total]
    lines = membership.read_text().splitlines() if membership.exists() else []
    for line in (*lines, "0::/", "0:memory:/"):
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            path = root / group.strip("/") / "memory.max"
        elif "memory" in controllers.split(","):
            path = root / "memory" / group.strip("/") / "memory.limit_in_bytes"
        else:
            continue
        text = path.read_text().strip() if path.exists() else "max"
        limits += [int(text)] if text.isdecimal() else []
    return min(limits)


def supervisor_mib() -> float:
    """MiB that this worker's parent uses."""
    rss: int = psutil.Process(os.getppid()).memory_info().rss
    return rss / MIB


class MemoryGuard:
    """Watches the memory of this worker; asks to be replaced, again and again while no successor takes over."""

    def __init__(
        self, limit: int, restart: Callable[[str], None], beside: Callable[[], float] = supervisor_mib
    ) -> None:
        """`limit`: bytes for all processes together; `restart` gets the reason; `beside`: MiB that the others use."""
        self._limit = limit / MIB
        self._restart = restart
        self._beside = beside
        self._samples: deque[float] = deque(maxlen=WINDOWS[-1])
        self._ceiling: float | None = None
        self._has_room = True
        self._pause = PAUSE
        self._quiet = 0.0
        """Seconds until it may ask again."""

    def note(self, used: float, interval: float) -> None:
        """Take the sample of one `interval` in seconds: MiB that this process uses."""
        if self._ceiling is None:
            self._ceiling = self._find_ceiling(used)
            self._has_room = self._ceiling > used
        self._samples.append(used)
        self._quiet = max(0.0, self._quiet - interval)
        left = min(self._forecasts(interval), default=None)
        if left is None or left > NOTICE + 3 * interval or self._quiet:
            return
        self._quiet, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        if not self._has_room:
            log.warning("memory grows, and its limit leaves no room for a successor", limit_mib=round(self._limit))
            return
        log.warning("memory grows towards its limit", used_mib=round(used), limit_mib=round(self._limit), left_s=left)
        self._restart(REASON)

    def _forecasts(self, interval: float) -> Iterator[float]:
        samples, ceiling = list(self._samples), self._ceiling or self._limit
        for window in WINDOWS:
            left = time_to(ceiling, samples[-window:], interval) if len(samples) >= window else None
            if left is not None:
                yield left

    def _find_ceiling(self, fresh: float) -> float:
        """What this worker may use: the limit without the supervisor, and without a successor as large as `fresh`."""
        return self._limit - self._beside() - fresh
