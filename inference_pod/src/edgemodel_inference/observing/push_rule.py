"""When what is kept goes to the sink again. Pure: the clock is an argument.

A push sends the whole set, writes it to the node's disk, and leaves the one before to the registry's cleaning. So a set
goes up when it is worth more than the last one to who trains with it: where there was none, when it is full, each time
that it has grown by half, or when its inputs are surely harder (the input drifts: these are what a successor is to
learn), and else once in the time after which nothing of the last one is kept any more.
"""

from dataclasses import dataclass

from edgemodel_inference.observing.samples import MAX_AGE

GROWN = 1.5
"""Size over that of the last set, from which on a set counts as grown. Who waits for a number of samples sees at least
two thirds of what there is; all pushes of a set that fills up are three times its bytes."""
HARDER = 0.95
"""Mean confidence over that of the last set, from which on a set counts as harder: a set that only gets harder is
pushed 45 times until its confidence is a tenth. The mean of 500 of the same traffic moves by a percent or two."""
MIB = 1 << 20
DAILY = 256 * MIB
"""Bytes of inputs per day that go up in the long run, whatever the traffic does."""
AT_ONCE = 128 * MIB
"""Bytes that may have gone up before the day's share of them; half of it is kept for sets that have grown."""
_PER_SECOND = DAILY / 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A set of samples."""

    origin: tuple[str | None, str]
    """Whose confidences they are, and the sink that gets them: sets are compared with those of the same origin."""
    number: int
    """Grows with every change."""
    count: int
    full: bool
    confidence: float
    """Mean of them all."""
    size: int
    """Bytes, before they are packed."""


@dataclass(frozen=True, slots=True)
class Push:
    """What was chosen to go up, and when; `debt`: bytes that have gone up before the day's share of them."""

    holding: Holding
    at: float
    debt: float


def choose(last: Push | None, there: Holding, now: float) -> Push | None:
    """The push of `there`, if that is due at `now`."""
    if last is None:
        return Push(there, now, there.size)
    debt = max(0.0, last.debt - (now - last.at) * _PER_SECOND) + there.size
    return Push(there, now, debt) if debt <= _allowed(last, there, now) else None


def longest_pause(size: int) -> float:
    """Seconds between two tries of a push of `size` bytes: with a sink that breaks them all off, no more per day."""
    return max(60.0, size / _PER_SECOND)


def _allowed(last: Push, there: Holding, now: float) -> float:
    if _has_grown(last.holding, there):
        return AT_ONCE
    return AT_ONCE / 2 if there.number != last.holding.number and now >= last.at + MAX_AGE else 0.0


def _has_grown(before: Holding, there: Holding) -> bool:
    return (
        there.origin != before.origin
        or there.count >= GROWN * before.count
        or there.full > before.full
        or there.confidence <= HARDER * before.confidence
    )
