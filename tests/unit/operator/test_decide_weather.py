"""Whatever happens in whatever order, the invariants hold, and when it stops the fleet comes to rest."""

import random
import time

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.operator.weather import Weather

WANTED = 100_000
"""Steps of the long run."""


def _run(examples: int, steps: int, number: int) -> int:
    """Steps that were taken in `examples` examples of at most `steps` each, drawn from the seed `number`."""
    taken = Weather.taken
    machine = seed(number)(type("Weather", (Weather,), {}))
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=wanted)
    return Weather.taken - taken


def test_no_weather_breaks_an_invariant() -> None:
    assert _run(20, 30, number=1) > 200


@pytest.mark.long
def test_no_weather_breaks_an_invariant_in_a_hundred_thousand_steps(capsys: pytest.CaptureFixture[str]) -> None:
    first = number = random.randrange(1_000_000)  # noqa: S311 (another one each time is what is wanted)
    began, taken = time.monotonic(), 0
    while taken < WANTED:
        with capsys.disabled():
            print(f"\nseed {number}, {taken} steps so far", end="", flush=True)  # noqa: T201 (a failure names its seed)
        taken += _run(100, 100, number)
        number += 1
    with capsys.disabled():
        seconds = time.monotonic() - began
        print(f"\n{taken} steps of {len(Weather.rules())} rules in {seconds:.0f} s, seeds {first} to {number - 1}")  # noqa: T201 (asked for)
