"""What repeated crashes of workers mean. Pure: the clock is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass

CRASHES = 3
WINDOW = 60.0
"""Seconds: so many crashes within, all under one version, and the version is to blame."""

_FREE = 2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Crash:
    """The end of a worker that nobody asked for, and the digest that it was using."""

    at: float
    digest: str | None


def culprit(crashes: Sequence[Crash], now: float) -> str | None:
    """The digest to refuse: in use in each of the last three crashes, all within the last minute."""
    last = [c for c in crashes if c.at > now - WINDOW][-CRASHES:]
    digests = {c.digest for c in last}
    return last[0].digest if len(last) == CRASHES and len(digests) == 1 else None


def pause(crashes: Sequence[Crash], now: float) -> float:
    """Seconds to wait before the next worker: none after one or two crashes in a minute, then doubling."""
    extra = sum(c.at > now - WINDOW for c in crashes) - _FREE
    return 0.0 if extra <= 0 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (extra - 1))
