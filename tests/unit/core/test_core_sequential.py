"""Looking at a comparison as often as one likes: chance rarely fires it, and a real difference soon does."""

import math
import random
from collections.abc import Callable

import pytest

from edgemodel.sequential import Cell, Interval, contrast
from edgemodel.tally import Moments

ALPHA = 0.01
LOOKS = 50
"""Observations of a simulated step, with a look after each."""

Draw = Callable[[random.Random], float]

DRAWS: dict[str, Draw] = {
    "normal": lambda chance: chance.gauss(0, 1),
    "skewed": lambda chance: chance.expovariate(1) - 1,
    "heavy": lambda chance: (math.exp(chance.gauss(0, 1)) - math.exp(0.5)) / 2.16,
    "bursts": lambda chance: ((chance.random() < 0.2) - 0.2) / 0.4,
}
"""Ways in which intervals differ, each with mean 0 and deviation 1."""


def moments(values: list[float]) -> Moments:
    total = Moments()
    for value in values:
        total = total.add(value)
    return total


def fires_at(chance: random.Random, draw: Draw, harm: float, bound: float, spread: float = 1.0) -> int | None:
    """The first look at which one canary beside two others is found worse than `bound`; each has a baseline."""
    baselines = [moments([draw(chance) for _ in range(20)]) for _ in range(3)]
    seen = [Moments()] * 3
    for look in range(1, LOOKS + 1):
        seen = [seen[0].add(harm + spread * draw(chance)), *(m.add(draw(chance)) for m in seen[1:])]
        cells = [Cell(weight, m) for weight, m in zip((1, -0.5, -0.5), seen, strict=True)]
        cells += [Cell(weight, m) for weight, m in zip((-1, 0.5, 0.5), baselines, strict=True)]
        if look > 1 and contrast(cells, ALPHA, noise=0.1).low > bound:
            return look
    return None


def alarms(draw: Draw, harm: float, bound: float, runs: int, spread: float = 1.0) -> list[int | None]:
    return [fires_at(random.Random(seed), draw, harm, bound, spread) for seed in range(runs)]  # noqa: S311 (a simulation)


@pytest.mark.parametrize("spread", [1.0, 2.5, 0.4])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_version_that_is_as_good_is_hardly_ever_called_worse_however_often_one_looks(
    draw: Draw, spread: float
) -> None:
    found = alarms(draw, harm=0.0, bound=0.0, runs=150, spread=spread)
    # At most ALPHA of the runs, beyond what chance explains of 150 of them: five is the 99.99 % quantile.
    assert sum(look is not None for look in found) <= 5


def test_a_version_at_the_very_bound_is_hardly_ever_called_worse() -> None:
    found = alarms(DRAWS["normal"], harm=0.5, bound=0.5, runs=150)
    assert sum(look is not None for look in found) <= 5


@pytest.mark.parametrize(("harm", "within"), [(3.0, 30), (5.0, 15)])
def test_a_version_that_is_really_worse_is_found_soon(harm: float, within: int) -> None:
    found = alarms(DRAWS["normal"], harm=harm, bound=0.5, runs=100)
    assert sum(look is not None and look <= within for look in found) >= 95


def test_two_observations_prove_nothing() -> None:
    cells = [Cell(1, moments([9.0, 9.1])), Cell(-1, moments([0.0, 0.1]))]
    found = contrast(cells, ALPHA, noise=0.01)
    assert found == Interval(pytest.approx(9.0), -math.inf, math.inf)


def test_observations_that_happen_to_be_alike_are_taken_for_as_noisy_as_others() -> None:
    alike = [Cell(1, moments([1.0] * 6)), Cell(-1, moments([0.9] * 6))]
    assert contrast(alike, ALPHA, noise=0.1).low < 0


def test_more_observations_narrow_the_interval() -> None:
    chance = random.Random(1)  # noqa: S311 (a simulation)
    widths = []
    for size in (20, 80, 320):
        cells = [Cell(w, moments([chance.gauss(0, 1) for _ in range(size)])) for w in (1, -1)]
        found = contrast(cells, ALPHA, noise=0.1)
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[2] < 1


@pytest.mark.long
@pytest.mark.parametrize("spread", [1.0, 2.5, 0.4])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_share_of_false_alarms_is_what_was_promised(draw: Draw, spread: float) -> None:
    runs = 4000
    found = alarms(draw, harm=0.0, bound=0.0, runs=runs, spread=spread)
    assert sum(look is not None for look in found) <= runs * ALPHA
