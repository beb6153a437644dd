"""`make bench` claims a goal only where the whole interval says so."""

import pytest

from tests.bench.ratios import Ratio, Row, ratio


@pytest.mark.parametrize(("low", "high", "verdict"), [(2.5, 3.0, "met"), (1.0, 2.4, "missed"), (2.4, 2.6, "undecided")])
def test_a_goal_is_met_or_missed_by_the_whole_interval_and_else_undecided(
    low: float, high: float, verdict: str
) -> None:
    found = Ratio((low + high) / 2, low, high)
    assert Row("speed", found, at_least=2.5).verdict == verdict
    turned = Ratio(1 / found.median, 1 / high, 1 / low)
    assert Row("time", turned, at_most=1 / 2.5).verdict == verdict


def test_a_ratio_is_taken_within_each_round() -> None:
    """A machine that is twice as slow in one round leaves the ratio as it is."""
    found = ratio([100.0, 50.0, 25.0], [50.0, 25.0, 12.5])
    assert (found.median, found.low, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("low", "high", "quiet"), [(0.95, 1.05, True), (0.85, 1.0, False), (1.0, 1.2, False)])
def test_a_wide_control_voids_its_table(low: float, high: float, quiet: bool) -> None:
    assert Ratio(1.0, low, high).quiet is quiet
