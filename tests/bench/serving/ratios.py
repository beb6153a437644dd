"""Ratios that hold on noisy machines: taken within a round, their median with a bootstrap interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
COVERAGE = 0.90


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios and its 90 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Ours over others', round by round.

    Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13: the percentile interval.
    """
    ratios = np.asarray(ours) / np.asarray(others)
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Ratio(float(np.median(ratios)), float(low), float(high))
