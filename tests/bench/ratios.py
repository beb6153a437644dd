"""Ratios that hold on noisy machines: taken within a round, their median with a bootstrap interval, and a verdict."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 10_000
COVERAGE = 0.90
CONTROL = 0.10
"""An A/A control whose interval leaves 1 ± this voids a table: the machine was busy with something else."""


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios and its 90 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"

    @property
    def quiet(self) -> bool:
        """Whether this, as an A/A control, says that the machine was quiet."""
        return self.low >= 1 - CONTROL and self.high <= 1 + CONTROL


def ratio(ours: Sequence[float], others: Sequence[float]) -> Ratio:
    """Ours over others', round by round.

    Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13: the percentile interval.
    """
    ratios = np.asarray(ours) / np.asarray(others)
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return Ratio(float(np.median(ratios)), float(low), float(high))


@dataclass(frozen=True)
class Row:
    """One ratio of a table, with its goal where it has one."""

    what: str
    found: Ratio
    at_least: float | None = None
    at_most: float | None = None

    @property
    def verdict(self) -> str:
        """``met`` or ``missed`` where the whole interval says so, else ``undecided``; empty without a goal."""
        found = self.found
        if self.at_least is not None:
            return _decide(good=found.low >= self.at_least, bad=found.high < self.at_least)
        if self.at_most is not None:
            return _decide(good=found.high <= self.at_most, bad=found.low > self.at_most)
        return ""

    def __str__(self) -> str:
        bound = f"at most {self.at_most}" if self.at_least is None else f"at least {self.at_least}"
        goal = f"goal {bound}: {self.verdict}" if self.verdict else ""
        return f"  {self.what:<66} {self.found!s:<28} {goal}".rstrip()

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self.found), "at_least": self.at_least, "at_most": self.at_most, "verdict": self.verdict}


def _decide(*, good: bool, bad: bool) -> str:
    return "met" if good else "missed" if bad else "undecided"


def show(rows: Sequence[Row]) -> dict[str, Any]:
    """Print rows that have no control, and give them as JSON."""
    for row in rows:
        print(row)
    return {row.what: row.dump() for row in rows}


def report(title: str, rows: Sequence[Row], control: Ratio) -> dict[str, Any]:
    """Print a table, and give it as JSON."""
    print(title)
    dumped = show(rows)
    print(Row("A/A control (within 0.9 to 1.1)", control))
    if not control.quiet:
        print("  VOID: the control is wider than 10 %; the machine was not quiet")
    return {"rows": dumped, "control": asdict(control), "void": not control.quiet}
