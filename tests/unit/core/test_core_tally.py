"""Sums that pods export and the operator subtracts: they survive the way, and nonsense is nobody's tally."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel import tally
from edgemodel.tally import LARGEST, PARTS, Measure, Moments, Tally

VALUES = st.lists(st.floats(-50, 50), max_size=30)


def counted(values: list[float], began: float = 1000.0, answered: int = 0) -> Tally:
    total = Moments()
    for value in values:
        total = total.add(value)
    return Tally(began=began, answered=answered, moments=dict.fromkeys(Measure, total))


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_mean_and_variance_are_those_of_the_observations(values: list[float]) -> None:
    found = counted(values).moments[Measure.LATENCY]
    mean = sum(values) / len(values)
    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.variance == pytest.approx(sum((v - mean) ** 2 for v in values) / (len(values) - 1), abs=1e-6)


@given(VALUES, VALUES)
def test_what_came_later_is_what_is_left(early: list[float], late: list[float]) -> None:
    before, after = counted(early, answered=3), counted([*early, *late], answered=10)
    rest = after.since(before)
    assert rest.answered == 7
    for measure in Measure:
        assert rest.moments[measure].count == len(late)
        assert rest.moments[measure].sum == pytest.approx(sum(late), abs=1e-6)


def test_sums_that_began_anew_are_taken_whole() -> None:
    before, after = counted([1.0] * 5, began=1.0, answered=50), counted([2.0] * 9, began=2.0, answered=90)
    assert after.since(before) == after


@given(VALUES, st.floats(0, 4e9), st.integers(0, 10**9))
def test_a_status_gives_back_what_it_was_given(values: list[float], began: float, answered: int) -> None:
    written = counted(values, began=round(began, 3), answered=answered)
    found = tally.parse(written.dump())
    assert found is not None
    assert (found.began, found.answered) == (written.began, written.answered)
    assert found.moments[Measure.ERRORS].sum == pytest.approx(written.moments[Measure.ERRORS].sum, rel=1e-9)
    assert len(written.dump()) <= 256


@pytest.mark.parametrize("text", ["", "1 2 3", "x", "1 2 3 4 5 6 7 8 9 10 eleven", "1 2 nan 4 5 6 7 8 9 10 11"])
def test_what_somebody_else_wrote_is_no_tally(text: str) -> None:
    assert tally.parse(text) is None


@pytest.mark.parametrize(
    ("part", "value"),
    [("count", -1.0), ("squares", -1.0), ("sum", float("nan")), ("sum", float("inf")), ("squares", 2 * LARGEST)],
)
def test_numbers_that_cannot_be_are_no_tally(part: str, value: float) -> None:
    sums = {(measure.value, each): 5.0 for measure in Measure for each in PARTS}
    assert tally.read(1.0, 10, sums) is not None
    assert tally.read(1.0, 10, sums | {("errors", part): value}) is None


def test_parts_that_are_missing_are_no_tally() -> None:
    sums = {(measure.value, each): 5.0 for measure in Measure for each in PARTS}
    assert tally.read(None, 10, sums) is None
    assert tally.read(1.0, 10, {key: value for key, value in sums.items() if key != ("latency", "sum")}) is None
