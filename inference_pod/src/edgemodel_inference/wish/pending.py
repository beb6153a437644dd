"""What is wanted and not here yet, and when it is tried again."""

import random
from dataclasses import dataclass

from edgemodel.wish import Artifact

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the second try, and at most."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is wanted and not here yet, and why. `reason` is CamelCase; `retry_at` is on the monotonic clock."""

    artifact: Artifact
    reason: str
    message: str = ""
    attempts: int = 0
    retry_at: float = 0.0


def pause_after(attempts: int) -> float:
    """Seconds to wait after `attempts` tries before this one: twice as long each time, less a random part.

    Jitter: a thousand nodes do not knock on a registry's door together when it is back.
    """
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempts) * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)
