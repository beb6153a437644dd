"""The operator is killed before and after every single write of a scenario: it ends as if nothing had happened."""

from collections.abc import Callable

import pytest

from tests.apiserver import scenarios
from tests.apiserver.fault_proxy import Fault, Kind
from tests.apiserver.scenarios import SCENARIOS, Run
from tests.apiserver.theatre import Theatre

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

KILLS = (Fault(Kind.KILL_BEFORE), Fault(Kind.KILL_AFTER))


def test_an_operator_killed_before_or_after_some_write_of_a_spec_change_ends_as_if_it_had_not_been(
    theatre: Theatre, record_testsuite_property: Callable[[str, object], None]
) -> None:
    record_testsuite_property("kill sweep", theatre.sweep(scenarios.spec_change, KILLS, every=5))


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_an_operator_killed_before_or_after_any_write_ends_as_if_it_had_not_been(
    scenario: Callable[[Run], None], theatre: Theatre, capsys: pytest.CaptureFixture[str]
) -> None:
    done = theatre.sweep(scenario, KILLS)
    with capsys.disabled():
        print(f"\nkilled before and after every write of {done}")  # noqa: T201 (the figure is asked for)
