"""What a network and an API server may do to requests: the end is that of a quiet day."""

import json
from collections.abc import Callable

import pytest

from tests.apiserver import scenarios
from tests.apiserver.fault_proxy import Fault, Kind
from tests.apiserver.operator_process import wait_for
from tests.apiserver.scenarios import SCENARIOS, Run
from tests.apiserver.theatre import Theatre

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

REFUSALS = tuple(Fault(Kind.ANSWER, code=code) for code in (409, 410, 429, 500, 503))
MISHAPS = (Fault(Kind.DROP), Fault(Kind.LOSE), Fault(Kind.DUPLICATE), Fault(Kind.DELAY, seconds=1.0))


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_write_that_goes_wrong_is_made_good(
    scenario: Callable[[Run], None], theatre: Theatre, capsys: pytest.CaptureFixture[str]
) -> None:
    done = theatre.sweep(scenario, (*REFUSALS, *MISHAPS), every=3)
    with capsys.disabled():
        print(f"\nthree of nine mishaps at each write of {done}")  # noqa: T201 (the figure is asked for)


def test_writes_that_go_wrong_in_every_way_are_made_good(theatre: Theatre) -> None:
    wanted, _ = theatre.quiet_day(scenarios.spec_change)
    faults = {2 * number + 1: fault for number, fault in enumerate((*REFUSALS, *MISHAPS))}
    end, _, hit = theatre.play(scenarios.spec_change, faults, wanted)
    assert end == wanted
    assert hit == len(faults)


@pytest.mark.parametrize(
    "scenario", [scenarios.spec_change, *(pytest.param(s, marks=pytest.mark.long) for s in SCENARIOS)]
)
def test_watches_that_freeze_and_lose_an_event_and_are_gone_change_nothing(
    scenario: Callable[[Run], None], theatre: Theatre
) -> None:
    wanted, _ = theatre.quiet_day(scenario)
    with theatre.run() as run:
        hidden: list[bytes] = []

        def hide(line: bytes) -> bool:
            """The first news of each kind of child, each with a status of its own."""
            event = json.loads(line)
            first = event["type"] == "ADDED" and all(event["object"]["kind"] != known for known in hidden)
            if first:
                hidden.append(event["object"]["kind"])
            return first

        run.proxy.hide, run.proxy.freeze, run.proxy.gone = hide, 2.0, 3
        scenario(run)
        wait_for("the end of a quiet day", lambda: scenarios.end_of(run) == wanted, scenarios.PATIENCE)
        run.rest()
        assert hidden
