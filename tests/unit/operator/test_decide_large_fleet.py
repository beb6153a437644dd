"""Two hundred nodes: what product.md promises of a fleet, what it costs in writes, and that deciding stays cheap."""

import copy
import cProfile
import pstats
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.decide import decide
from tests.unit.operator.world import IMAGES, World, digest, student

SIZE = 200
FAULT = "low-confidence"
BESIDES_NUDGES = 40
"""Writes of one story besides one nudge per node and wish: statuses, children, events."""
CALLS_PER_NODE = 60
"""Function calls that deciding may cost for each node of a fleet."""
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def good() -> World:
    """v1 was proved good, then v2; both are on every node."""
    world = World(size=SIZE)
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    world.run(60)
    return world


@pytest.fixture
def fleet(good: World) -> World:
    return copy.deepcopy(good)


@dataclass
class Cost:
    """What a story took."""

    seconds: float = 0.0
    writes: int = 0


@contextmanager
def counted(world: World, name: str, record: Record) -> Iterator[Cost]:
    """Simulated seconds and writes of the operator within the block."""
    cost, since, calls = Cost(), world.now, world.api.calls
    yield cost
    cost.seconds, cost.writes = (world.now - since).total_seconds(), world.api.calls - calls
    record(f"{name}, {SIZE} nodes", f"{cost.seconds:.0f} simulated seconds, {cost.writes} writes")


def test_a_bad_version_reaches_one_node_and_no_second_one(fleet: World, record_testsuite_property: Record) -> None:
    fleet.script.bad[digest(3)] = FAULT
    with counted(fleet, "bad version", record_testsuite_property) as cost:
        fleet.wish_for("v3")
        fleet.until(lambda w: w.state("v3") is VersionState.QUARANTINED)
        fleet.until(lambda w: w.serving() == {"v2"})
    assert sum("v3" in edge.served for edge in fleet.edges.values()) == 1
    assert cost.writes <= BESIDES_NUDGES + 2 * SIZE


def test_a_version_that_turns_bad_everywhere_is_rolled_back_everywhere_at_once(
    fleet: World, record_testsuite_property: Record
) -> None:
    fleet.script.heal_locally = False
    with counted(fleet, "fleet turns bad", record_testsuite_property) as cost:
        fleet.script.bad[digest(2)] = FAULT
        fleet.until(lambda w: w.serving() == {"v1"}, within=60)
        fleet.until(lambda w: w.status.heals[-1].verdict == "Proved", within=120)
    assert fleet.state("v2") is VersionState.QUARANTINED
    assert len(fleet.status.heals) == 1
    assert cost.writes <= BESIDES_NUDGES + SIZE


def test_an_input_that_drifts_is_answered_with_a_student_and_no_version_is_blamed_for_it(
    fleet: World, record_testsuite_property: Record
) -> None:
    fleet.script.drift, fleet.script.robust = FAULT, {student(1)}
    with counted(fleet, "drifting input", record_testsuite_property):
        fleet.until(lambda w: w.serving() == {"distilled-1"}, within=1200)
        fleet.until(lambda w: w.status.last_good == "distilled-1")
    assert [fleet.state(name) for name in ("v1", "v2")] == [VersionState.AVAILABLE] * 2
    assert len(fleet.jobs) == 1


def test_while_prometheus_is_dead_nothing_is_touched(fleet: World, record_testsuite_property: Record) -> None:
    fleet.script.telemetry, fleet.script.heal_locally = False, False
    fleet.script.bad[digest(2)] = FAULT
    with counted(fleet, "dead Prometheus", record_testsuite_property) as cost:
        fleet.run(300)
    assert fleet.serving() == {"v2"}
    assert fleet.condition("TelemetryFresh") == ("False", "Absent")
    assert (fleet.status.heals, cost.writes) == ((), 1)


def test_a_fleet_that_is_cut_in_half_is_healed_by_halves_and_the_other_half_catches_up(
    fleet: World, record_testsuite_property: Record
) -> None:
    away = list(fleet.edges.values())[: SIZE // 2]
    for edge in away:
        edge.linked = False
    fleet.run(60)
    fleet.script.bad[digest(3)] = FAULT
    with counted(fleet, "half of the fleet cut off", record_testsuite_property):
        fleet.wish_for("v3")
        fleet.until(lambda w: w.state("v3") is VersionState.QUARANTINED)
        fleet.wish_for("v1")
        fleet.until(lambda w: w.status.version == "v1" and w.status.rollout is None)
        assert {edge.active and edge.active.name for edge in away} == {"v2"}
        for edge in away:
            edge.linked = True
        fleet.until(lambda w: w.serving() == {"v1"}, within=60)
    assert all("v3" not in edge.served for edge in away)
    assert fleet.condition("Ready") == ("True", "Serving")


def test_a_fleet_that_meets_it_all_at_once_ends_with_a_student_that_copes(
    fleet: World, record_testsuite_property: Record
) -> None:
    away = list(fleet.edges.values())[: SIZE // 2]
    with counted(fleet, "half cut off, bad version, drifting input, dead Prometheus", record_testsuite_property):
        for edge in away:
            edge.linked = False
        fleet.script.bad[digest(3)] = "high-latency"
        fleet.wish_for("v3")
        fleet.until(lambda w: "v3" in w.serving())
        fleet.script.drift, fleet.script.robust = FAULT, {student(1)}
        fleet.until(lambda w: w.state("v3") is VersionState.QUARANTINED)

        fleet.script.telemetry = False
        fleet.until(lambda w: w.condition("TelemetryFresh") == ("False", "Absent"))
        known, wish = fleet.status.versions, fleet.wish
        fleet.run(300)
        assert (fleet.status.versions, fleet.wish, fleet.jobs, fleet.told("HealProved")) == (known, wish, [], [])
        fleet.script.telemetry = True

        fleet.until(lambda w: w.status.version == "distilled-1", within=1200)
        assert "distilled-1" not in {name for edge in away for name in edge.served}
        for edge in away:
            edge.linked = True
        fleet.until(lambda w: w.serving() == {"distilled-1"}, within=60)
    assert sum("v3" in edge.served for edge in fleet.edges.values()) == 1
    assert [fleet.state(name) for name in ("v1", "v2")] == [VersionState.AVAILABLE] * 2
    assert (len(fleet.jobs), fleet.status.last_good) == (1, "distilled-1")
    assert fleet.condition("Ready") == ("True", "Serving")


def test_deciding_costs_no_more_per_node_in_a_fleet_than_in_a_handful(
    good: World, record_testsuite_property: Record
) -> None:
    few = World(size=10)
    few.until(lambda w: w.status.last_good == "v1")
    small, large = (_calls(world) for world in (few, good))
    since = time.perf_counter()
    decide(good.observe(), IMAGES)
    record_testsuite_property(
        f"deciding on {SIZE} nodes", f"{large} calls, {1000 * (time.perf_counter() - since):.1f} ms with observing"
    )
    assert (large - small) / (SIZE - 10) <= CALLS_PER_NODE


def _calls(world: World) -> int:
    """Function calls of one decision: the same on every machine."""
    seen, profile = world.observe(), cProfile.Profile()
    profile.runcall(decide, seen, IMAGES)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # not in its stub
