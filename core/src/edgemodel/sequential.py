"""An interval for a difference of means that may be looked at after every observation: sequential t-test (pure).

A fixed-size test that is looked at again and again fires by chance sooner or later. The interval here holds at all
times together with the promised probability, so that looking is free and stopping early is sound: Lindon, Ham,
Tingley, Bojinov, "Anytime-Valid Linear Models and Regression Adjusted Causal Inference in Randomized Experiments",
https://arxiv.org/abs/2210.08589: the likelihood ratio of the t-statistic under a normal mixture over effects in units
of the standard deviation, compared with 1 / alpha. Cells differ in their variance, hence Welch's standard error and
degrees of freedom (Welch 1947, Satterthwaite 1946), with the pooled variance as the least of each cell: the simulation
in the tests shows that false alarms stay below what is promised, also of bursts and heavy tails.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgemodel.tally import Moments

PRECISION = 1.0
"""The paper's phi: effects of about one standard deviation of an observation are found soonest."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Observations whose mean counts `weight` times in the difference."""

    weight: float
    moments: Moments
    """Of at least two observations."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference, and the bounds that hold at all times together; infinite while there is too little to say."""

    value: float
    low: float
    high: float


def contrast(cells: Sequence[Cell], alpha: float, noise: float) -> Interval:
    """The weighted sum of the cells' means, and its interval of confidence 1 - `alpha`.

    Few observations that happen to be alike prove nothing: none varies less than all cells pooled, or than `noise`, a
    standard deviation.
    """
    value = sum(cell.weight * cell.moments.mean for cell in cells)
    freedoms = [cell.moments.count - 1 for cell in cells]
    pooled = sum(n * cell.moments.variance for n, cell in zip(freedoms, cells, strict=True)) / sum(freedoms)
    least = max(pooled, noise**2)
    parts = [cell.weight**2 * max(cell.moments.variance, least) / cell.moments.count for cell in cells]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(part * part / n for part, n in zip(parts, freedoms, strict=True))
    information = 1 / sum(cell.weight**2 / cell.moments.count for cell in cells)
    radius = error * _radius(freedom, information, alpha)
    return Interval(value, value - radius, value + radius)


def _radius(freedom: float, information: float, alpha: float) -> float:
    """Half the interval's width in standard errors; infinite where no effect could be told from chance yet."""
    ratio = PRECISION / (PRECISION + information)
    power = (ratio * alpha**2) ** (1 / (freedom + 1))
    if power <= ratio:
        return math.inf
    return math.sqrt(freedom * (1 - power) / (power - ratio))
