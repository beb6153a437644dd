"""Whatever happens in whatever order, the invariants hold, and when it stops the fleet comes to rest."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.operator.weather import Weather

WANTED = 100_000
"""Steps of the long run."""
ROUND = 100
"""Steps of one example."""


def _run(examples: int, steps: int, **further: object) -> int:
    taken = Weather.taken
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **further,
    )
    run_state_machine_as_test(Weather, settings=wanted)
    return Weather.taken - taken


def test_no_weather_breaks_an_invariant() -> None:
    assert _run(20, 30, derandomize=True) > 200


@pytest.mark.long
def test_no_weather_breaks_an_invariant_in_a_hundred_thousand_steps(capsys: pytest.CaptureFixture[str]) -> None:
    taken = 0
    while taken < WANTED:
        taken += _run(100, ROUND, print_blob=True)
    with capsys.disabled():
        print(f"\n{taken} steps of the state machine, {len(Weather.rules())} rules")  # noqa: T201 (the figure is asked for)
