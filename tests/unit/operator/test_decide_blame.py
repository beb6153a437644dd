"""Whose fault it is: silence and nonsense blame nothing, and what all versions show is the input's."""

import copy

import pytest

from edgemodel_operator.api.states import Blame, RolloutWait, VersionState
from tests.unit.operator.edge import Lie
from tests.unit.operator.world import World, digest


@pytest.fixture
def world(two_good: World) -> World:
    """v2 serves everywhere and was proved good, v1 before it."""
    return copy.deepcopy(two_good)


def blames(world: World) -> dict[str, Blame]:
    return {fault.name: fault.blame for fault in world.status.faults}


# Telemetry


@pytest.mark.parametrize("lie", [Lie.SILENT, Lie.NAN])
@pytest.mark.shows("blame._unheard")
def test_a_fault_whose_nodes_fall_silent_is_blamed_on_the_telemetry_and_is_not_gone(world: World, lie: Lie) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: blames(w) == {"high-latency": Blame.NODE})
    world.script.lies["n3"] = lie
    world.until(lambda w: blames(w) == {"high-latency": Blame.TELEMETRY})
    world.run(300)
    assert (world.status.version, world.told("FaultCleared")) == ("v2", [])
    assert world.condition("Degraded") == ("True", "TelemetryBlamed")
    del world.script.lies["n3"]
    world.until(lambda w: blames(w) == {"high-latency": Blame.NODE})
    assert len(world.told("FaultDetected")) == 1


def test_when_nobody_reports_no_fault_is_new_gone_or_acted_upon(world: World) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.status.faults != ())
    world.script.telemetry = False
    world.until(lambda w: blames(w) == {"high-latency": Blame.TELEMETRY})
    world.script.bad[digest(2)] = "low-confidence"
    world.run(600)
    assert (world.status.version, blames(world)) == ("v2", {"high-latency": Blame.TELEMETRY})


@pytest.mark.parametrize("lie", [Lie.SILENT, Lie.NAN])
@pytest.mark.shows("findings_nodes.telemetry")
def test_one_scrape_target_that_is_down_is_no_fault_of_anything(world: World, lie: Lie) -> None:
    world.script.lies["n3"] = lie
    world.run(300)
    assert world.status.faults == ()
    assert world.condition("Degraded")[0] != "True"
    assert world.condition("TelemetryFresh") == ("False", "Stale")
    assert world.state("v2") is VersionState.SERVING


def test_an_operator_that_starts_does_not_blame_the_telemetry_before_it_was_asked(world: World) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.status.faults != ())
    world.script.telemetry = False
    world.restart()
    world.step()
    assert blames(world) == {"high-latency": Blame.NODE}


# Input


@pytest.mark.shows("blame._canary_alike", "step._drifting")
def test_what_the_canary_and_the_version_before_show_alike_is_the_inputs(world: World) -> None:
    world.script.heal_locally = False
    world.wish_for("v3")
    world.until(lambda w: "v3" in w.serving())
    world.script.drift = "low-confidence"
    world.until(lambda w: blames(w) == {"low-confidence": Blame.INPUT})
    world.run(120)
    assert world.state("v3") is VersionState.CANARY
    assert world.status.rollout is not None
    assert world.status.rollout.reason == RolloutWait.INPUT
    world.script.drift = ""
    world.until(lambda w: w.status.version == "v3")


def test_what_the_canary_alone_shows_is_its_own(world: World) -> None:
    world.script.bad[digest(3)] = "low-confidence"
    world.wish_for("v3")
    world.until(lambda w: w.state("v3") is VersionState.QUARANTINED)


@pytest.mark.shows("blame._backup_alike")
def test_what_the_backup_shows_as_well_is_the_inputs(world: World) -> None:
    world.script.drift = "low-confidence"
    world.until(lambda w: Blame.INPUT in blames(w).values())
    world.until(lambda w: w.state("v2") is not VersionState.QUARANTINED)
