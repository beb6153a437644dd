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
    world.script.lies.clear()
    world.until(lambda w: w.condition("TelemetryFresh") == ("True", "Fresh"))


def test_an_operator_that_starts_changes_nothing_before_it_has_looked(world: World) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.wish_for("v3")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.held_since is not None)
    world.run(10)
    written = world.writes
    world.restart()
    world.operator.tick()
    world.step()
    assert world.writes == written


def test_an_operator_that_starts_and_gets_no_answer_says_so_within_fifteen_seconds(world: World) -> None:
    world.script.telemetry = False
    world.restart()
    world.run(15)
    assert world.condition("TelemetryFresh") == ("False", "Absent")
    assert world.status.nodes.updated == 0


# Input


@pytest.mark.shows("blame._canary_alike", "step._drifting")
def test_what_the_canary_and_the_version_before_show_alike_is_the_inputs(world: World) -> None:
    world.script.heal_locally = False
    world.wish_for("v3")
    world.until(lambda w: "v3" in w.serving())
    world.script.drift = "high-latency"  # its strategy has nothing against an input
    world.until(lambda w: blames(w) == {"high-latency": Blame.INPUT})
    world.run(120)
    assert world.state("v3") is VersionState.CANARY
    assert world.status.rollout is not None
    assert world.status.rollout.reason == RolloutWait.INPUT
    assert world.condition("AwaitingApproval") == ("True", "LadderExhausted")
    said = world.status.condition("RollingOut")
    assert said is not None
    assert "both show high-latency: the input changed, or neither is good" in said.message
    world.script.drift = ""
    world.until(lambda w: w.status.version == "v3")


def test_a_warning_that_both_versions_show_holds_up_no_rollout(world: World) -> None:
    world.script.heal_locally = False
    world.edit(lambda spec: spec["health"]["rules"][1].update(severity="Warning"))
    world.edit(lambda spec: spec["healing"].update(strategies=[]))
    world.script.drift = "high-latency"
    world.wish_for("v3")
    world.until(lambda w: w.status.version == "v3")
    assert blames(world).keys() == {"high-latency"}


def two_bad(size: int = 2) -> World:
    """v1 turns bad while v2, which is as bad, is on its first node: there is nothing good to compare with."""
    world = World(size=size)
    world.script.heal_locally = False
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    world.script.bad |= {digest(1): "low-confidence", digest(2): "low-confidence"}
    return world


def test_where_the_old_and_the_new_version_are_bad_a_successor_takes_the_place_of_both() -> None:
    world = two_bad()
    world.until(lambda w: w.status.version == "distilled-1", within=1200)
    world.until(lambda w: w.serving() == {"distilled-1"})
    assert [heal.action for heal in world.status.heals] == ["Redistill"]
    assert world.told("RolledBack") == ["v2 → v1: both show low-confidence, which distilled-1 is to heal"]
    assert (world.state("v1"), world.state("v2")) == (VersionState.AVAILABLE, VersionState.AVAILABLE)


def test_where_both_are_bad_and_no_successor_can_be_trained_a_person_is_asked() -> None:
    world = two_bad()
    world.edit(lambda spec: spec["healing"]["strategies"][0].update(actions=[{"type": "SwitchModel"}]))
    world.until(lambda w: w.told("PersonNeeded") != [])
    assert "low-confidence (Input is blamed)" in world.told("PersonNeeded")[0]
    assert world.condition("AwaitingApproval")[0] == "True"


def test_a_successor_waits_for_a_rollout_that_goes_on_meanwhile() -> None:
    world = two_bad()
    world.until(lambda w: w.jobs != [])
    world.script.bad.clear()
    world.script.requests = 1  # so that the Job ends first
    world.until(lambda w: w.status.distillation is not None and w.status.distillation.phase == "Accepted")
    found = world.status.find_version("distilled-1")
    assert found is not None
    assert found.reason == "RolloutUnderWay"
    world.script.requests = 10
    world.until(lambda w: w.status.version == "v2")
    world.until(lambda w: w.status.version == "distilled-1")


def test_what_the_canary_alone_shows_is_its_own(world: World) -> None:
    world.script.bad[digest(3)] = "low-confidence"
    world.wish_for("v3")
    world.until(lambda w: w.state("v3") is VersionState.QUARANTINED)


@pytest.mark.shows("blame._backup_alike")
def test_what_the_backup_shows_as_well_is_the_inputs(world: World) -> None:
    world.script.drift = "low-confidence"
    world.until(lambda w: Blame.INPUT in blames(w).values())
    world.until(lambda w: w.state("v2") is not VersionState.QUARANTINED)
