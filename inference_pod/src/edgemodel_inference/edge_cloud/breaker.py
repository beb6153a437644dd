"""A circuit breaker: who fails again and again is left alone for a while, then tried by one. Pure: `now` is given."""

from enum import StrEnum

FAILURES = 5
"""In a row, until it opens."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds that it stays open: longer each time that the one who tries fails as well."""


class State(StrEnum):
    """Who may try."""

    CLOSED = "closed"
    """Everyone."""
    OPEN = "open"
    """Nobody, until the pause is over."""
    HALF_OPEN = "half-open"
    """One, whose success closes it."""


class Breaker:
    """Each one that was admitted ends with `succeed`, `fail` or `abandon`."""

    def __init__(self) -> None:
        self.state = State.CLOSED
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._until = 0.0
        self._tried = False

    def admit(self, now: float) -> bool:
        """Whether to try now."""
        if self.state is State.OPEN and now >= self._until:
            self.state, self._tried = State.HALF_OPEN, False
        if self.state is State.HALF_OPEN and not self._tried:
            self._tried = True
            return True
        return self.state is State.CLOSED

    def succeed(self) -> None:
        """It works."""
        self.state, self._failures, self._pause = State.CLOSED, 0, FIRST_PAUSE

    def fail(self, now: float) -> None:
        """It does not."""
        self._failures += 1
        if self.state is State.HALF_OPEN:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        elif self.state is State.OPEN or self._failures < FAILURES:  # open: one that was admitted before
            return
        self.state, self._until = State.OPEN, now + self._pause

    def abandon(self) -> None:
        """It was not tried after all: another one may."""
        self._tried = False
