"""What one node's requests were like under one version, as sums: pods count, the operator subtracts and compares.

The unit is the interval, not the request: requests of one interval resemble each other (bursts, frames of one camera),
so that each interval counts as one observation, its mean. In simulation this is the method of batch means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LARGEST = 1e12
"""Numbers beyond this are nobody's tally."""

PARTS = ("count", "sum", "squares")
"""What is exported of `Moments`, in this order."""


class Measure(StrEnum):
    """What is tallied of each interval."""

    LATENCY = "latency"
    """Mean of the natural logarithms of the seconds that answers took: ratios become differences."""
    CONFIDENCE = "confidence"
    """Mean probability of the top class."""
    ERRORS = "errors"
    """Share of the sound requests that got no answer."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, sum and sum of squares of observations."""

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> "Moments":
        """With one more observation."""
        return Moments(self.count + 1, self.sum + value, self.squares + value * value)

    def since(self, earlier: "Moments") -> "Moments":
        """Without what had been counted `earlier`."""
        return Moments(self.count - earlier.count, self.sum - earlier.sum, self.squares - earlier.squares)

    @property
    def mean(self) -> float:
        """Mean of at least one observation."""
        return self.sum / self.count

    @property
    def variance(self) -> float:
        """Unbiased variance of at least two observations."""
        return max(self.squares - self.sum * self.mean, 0.0) / (self.count - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Sums since `began`, when the version became active or the worker started: another `began`, other sums."""

    began: float
    """Seconds since the epoch by the node's own clock; only told apart, never compared with other clocks."""
    answered: int = 0
    moments: Mapping[Measure, Moments] = field(default_factory=lambda: dict.fromkeys(Measure, Moments()))

    def since(self, earlier: "Tally") -> "Tally":
        """Without what had been counted `earlier`; all of it where the counting began anew in between."""
        if earlier.began != self.began or earlier.answered > self.answered:
            return self
        moments = {measure: self.moments[measure].since(earlier.moments[measure]) for measure in Measure}
        return Tally(began=self.began, answered=self.answered - earlier.answered, moments=moments)

    def dump(self) -> str:
        """As one word for a status: `parse` reads it."""
        numbers: list[float] = [self.began, self.answered]
        for measure in Measure:
            moments = self.moments[measure]
            numbers += [moments.count, moments.sum, moments.squares]
        return " ".join(f"{number:.12g}" if i else f"{number:.3f}" for i, number in enumerate(numbers))


def parse(text: str) -> Tally | None:
    """The tally that `dump` wrote; None where somebody else did."""
    try:
        began, answered, *rest = (float(word) for word in text.split())
    except ValueError:
        return None
    names = [(measure.value, part) for measure in Measure for part in PARTS]
    return read(began, answered, dict(zip(names, rest, strict=False)))


def read(began: float | None, answered: float, sums: Mapping[tuple[str, str], float]) -> Tally | None:
    """The tally of exported numbers, by measure and part; None where parts are missing or cannot be counts and sums."""
    try:
        triples = {m: tuple(sums[m.value, part] for part in PARTS) for m in Measure}
    except KeyError:
        return None
    numbers = [number for triple in triples.values() for number in triple]
    if began is None or not all(abs(number) <= LARGEST for number in (began, answered, *numbers)):
        return None
    if answered < 0 or any(count < 0 or squares < 0 for count, _, squares in triples.values()):
        return None
    moments = {m: Moments(int(count), total, squares) for m, (count, total, squares) in triples.items()}
    return Tally(began=round(began, 3), answered=int(answered), moments=moments)
