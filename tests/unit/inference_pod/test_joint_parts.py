"""When the cloud is asked and when not: threshold, breaker and budget, each by itself, with a clock of our own."""

import asyncio
import threading
from pathlib import Path

import pytest

from edgemodel.cloud import Adaptive, Cloud
from edgemodel_inference.edge_cloud import budget as budget_module
from edgemodel_inference.edge_cloud.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker, State
from edgemodel_inference.edge_cloud.budget import DAY, Budget
from edgemodel_inference.edge_cloud.joint import LEAST, MOST, Threshold

URL = "http://localhost/v2/models/tiny"
V1, V2 = "sha256:1", "sha256:2"

# Threshold


def adaptive(window: int = 10, factor: float = 0.9) -> Threshold:
    return Threshold(Cloud(url=URL, threshold=0.7, adaptive=Adaptive(window=window, factor=factor)))


def test_an_answer_below_a_fixed_threshold_is_unsure() -> None:
    threshold = Threshold(Cloud(url=URL, threshold=0.7))
    assert [threshold.exceeds(sure, V1) for sure in (0.69, 0.7, 1.0)] == [True, False, False]


def test_a_threshold_adapts_once_its_window_is_full() -> None:
    threshold = adaptive()
    for _ in range(9):
        threshold.exceeds(0.5, V1)
    assert threshold.value == 0.7
    threshold.exceeds(0.5, V1)
    assert threshold.value == pytest.approx(0.45)


def test_only_the_last_answers_count() -> None:
    threshold = adaptive()
    for sure in [0.2] * 50 + [0.8] * 10:
        threshold.exceeds(sure, V1)
    assert threshold.value == pytest.approx(0.72)


@pytest.mark.parametrize(("confidence", "bound"), [(0.0, LEAST), (1.0, MOST)])
def test_a_threshold_adapts_within_bounds(confidence: float, bound: float) -> None:
    threshold = adaptive(factor=1.0)
    for _ in range(20):
        threshold.exceeds(confidence, V1)
    assert threshold.value == bound


def test_another_version_is_measured_by_itself() -> None:
    threshold = adaptive()
    for _ in range(10):
        threshold.exceeds(0.2, V1)
    threshold.exceeds(0.2, V2)
    assert threshold.value == 0.7


# Breaker


def failed(times: int) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        assert breaker.admit(0.0)
        breaker.fail(0.0)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    assert (failed(FAILURES - 1).state, failed(FAILURES).state) == (State.CLOSED, State.OPEN)


def test_a_success_among_failures_keeps_it_closed() -> None:
    breaker = failed(FAILURES - 1)
    breaker.succeed()
    breaker.fail(0.0)
    assert breaker.state is State.CLOSED


def test_while_open_nobody_tries_and_after_the_pause_one() -> None:
    breaker = failed(FAILURES)
    tries = [breaker.admit(now) for now in (0.0, FIRST_PAUSE - 0.1, FIRST_PAUSE, FIRST_PAUSE)]
    assert (tries, breaker.state) == ([False, False, True, False], State.HALF_OPEN)


def test_the_success_of_the_one_closes_it_for_all() -> None:
    breaker = failed(FAILURES)
    breaker.admit(FIRST_PAUSE)
    breaker.succeed()
    assert [breaker.admit(FIRST_PAUSE) for _ in range(3)] == [True] * 3


def test_each_failure_of_the_one_makes_the_pause_longer_up_to_a_bound() -> None:
    breaker, now, pauses = failed(FAILURES), 0.0, []
    for _ in range(8):
        began = now
        while not breaker.admit(now):
            now += 0.5
        pauses.append(now - began)
        breaker.fail(now)
    assert pauses == [FIRST_PAUSE, *(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**n) for n in range(1, 8))]
    assert pauses[-1] == LONGEST_PAUSE


def test_where_the_one_did_not_try_another_may() -> None:
    breaker = failed(FAILURES)
    breaker.admit(FIRST_PAUSE)
    breaker.abandon()
    assert breaker.admit(FIRST_PAUSE)


def test_a_late_failure_of_one_admitted_before_does_not_prolong_the_pause() -> None:
    breaker = failed(FAILURES)
    breaker.fail(FIRST_PAUSE - 0.1)
    assert breaker.admit(FIRST_PAUSE)


# Budget


class Machine:
    """Clocks that a test sets, and processes that share a disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "budget.json"
        self.clock, self.wall, self.boot = 1000.0, 1e9, "boot-1"

    def process(self, limit: int) -> Budget:
        budget = Budget(self.path, self.boot, lambda: self.clock, lambda: self.wall)
        budget.allow(limit)
        return budget

    def reboot(self, off: float) -> None:
        self.boot, self.clock, self.wall = f"{self.boot}+", 5.0, self.wall + off


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def spend(budget: Budget, most: int = 10_000) -> int:
    """How many it grants, up to `most`."""
    granted = 0
    while granted < most and await budget.take():
        granted += 1
    return granted


async def test_no_more_is_granted_than_allowed(machine: Machine) -> None:
    budget = machine.process(250)
    assert (await spend(budget), budget.left()) == (250, 0)


async def test_after_24_hours_it_begins_anew(machine: Machine) -> None:
    budget = machine.process(250)
    await spend(budget)
    machine.clock += DAY
    assert (budget.left(), await spend(budget)) == (250, 250)


@pytest.mark.parametrize("jump", [-1e9, -3600.0, 2 * DAY, 1e9])
async def test_a_jump_of_the_wall_clock_grants_nothing(machine: Machine, jump: float) -> None:
    budget = machine.process(250)
    await spend(budget, 200)
    machine.wall += jump
    machine.clock += 60
    assert await spend(budget) == 50
    assert await spend(machine.process(250)) == 0


async def test_a_crash_costs_a_few_requests_and_never_grants_any(machine: Machine) -> None:
    await spend(machine.process(1000), 501)
    assert 0 < 1000 - 501 - await spend(machine.process(1000)) < 50


async def test_a_reboot_grants_nothing(machine: Machine) -> None:
    await spend(machine.process(250))
    machine.reboot(off=30.0)
    assert await spend(machine.process(250)) == 0


async def test_time_that_the_machine_was_off_counts(machine: Machine) -> None:
    await spend(machine.process(250))
    machine.clock += DAY / 2
    machine.wall += DAY / 2
    machine.reboot(off=DAY)
    assert await spend(machine.process(250)) == 250


async def test_a_machine_that_boots_without_the_time_grants_nothing(machine: Machine) -> None:
    await spend(machine.process(250))
    machine.reboot(off=-machine.wall)
    assert await spend(machine.process(250)) == 0


async def test_a_worker_and_its_successor_share_what_is_left(machine: Machine) -> None:
    old, new = machine.process(1000), machine.process(1000)
    granted = 0
    for _ in range(600):
        granted += await old.take() + await new.take()
    assert granted == 1000


async def test_callers_at_once_share_what_is_left(machine: Machine) -> None:
    budget = machine.process(100)
    assert sum(await asyncio.gather(*(budget.take() for _ in range(300)))) == 100


async def test_a_smaller_budget_holds_at_once_and_a_larger_one_too(machine: Machine) -> None:
    budget = machine.process(1000)
    await spend(budget, 300)
    budget.allow(200)
    assert (await budget.take(), budget.left()) == (False, 0)
    budget.allow(400)
    assert await spend(budget) == 100


async def test_where_the_disk_cannot_be_written_the_budget_still_holds(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "nowhere")
    assert await spend(machine.process(250)) == 250


async def test_a_damaged_record_begins_anew(machine: Machine) -> None:
    await spend(machine.process(250))
    machine.path.write_bytes(b"{half")
    assert await spend(machine.process(250)) == 250


async def test_the_disk_is_written_rarely_and_never_on_the_event_loop(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[threading.Thread] = []
    real = budget_module.save
    monkeypatch.setattr(budget_module, "save", lambda *a: (writers.append(threading.current_thread()), real(*a))[1])
    await spend(machine.process(1000))
    assert len(writers) == 20
    assert threading.current_thread() not in writers
