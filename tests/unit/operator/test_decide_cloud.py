"""What the cloud is blamed for: no version is quarantined for it, no node is named, and a person is told."""

import copy

import pytest

from edgemodel.ladder import ActionType
from edgemodel_operator.api.states import Blame, VersionState
from tests.unit.operator.plant import Body, digest
from tests.unit.operator.world import World

CLOUDY: Body = {"name": "cloudy", "metric": "cloud_ratio", "operator": ">", "threshold": 0.5}
CALLERS = "callers-wait"
"""An alert of the user's own, which no rule of spec.health explains."""


def joint(spec: Body) -> None:
    """Nodes ask a cloud; a rule watches how often, and a person wants to know."""
    spec["cloud"] = {"url": "https://cloud.example/v2/models/digits"}
    spec["health"]["rules"].append(dict(CLOUDY))
    spec["healing"]["strategies"].append({"faults": ["cloudy"], "actions": [{"type": "Alert"}]})


@pytest.fixture
def world(two_good: World) -> World:
    """v2 serves everywhere and was proved good, v1 before it; nodes ask a cloud."""
    world = copy.deepcopy(two_good)
    world.edit(joint)
    world.run(60)
    return world


def blames(world: World) -> dict[str, Blame]:
    return {fault.name: fault.blame for fault in world.status.faults}


@pytest.mark.shows("blame._about_cloud")
def test_a_fault_of_the_cloud_condemns_no_version_and_tells_a_person(world: World) -> None:
    world.script.drift = "cloudy"
    world.until(lambda w: blames(w) == {"cloudy": Blame.CLOUD})
    assert world.condition("Degraded") == ("True", "CloudBlamed")
    world.run(900)
    assert [heal.action for heal in world.status.heals if heal.fault == "cloudy"] == [ActionType.ALERT]
    assert (world.status.version, world.state("v2"), world.state("v1")) == (
        "v2",
        VersionState.SERVING,
        VersionState.AVAILABLE,
    )
    assert world.status.nodes.exceptions == ()
    world.script.drift = ""
    world.until(lambda w: w.condition("Degraded")[0] == "False")


def test_a_fault_of_the_cloud_on_one_node_is_not_the_nodes(world: World) -> None:
    world.script.sick["n3"] = "cloudy"
    world.until(lambda w: blames(w) == {"cloudy": Blame.CLOUD})


def test_a_rollout_is_not_taken_back_for_the_cloud(world: World) -> None:
    world.script.bad[digest(3)] = "cloudy"
    world.wish_for("v3")
    world.until(lambda w: w.status.version == "v3" and w.status.rollout is None)
    world.until(lambda w: w.status.last_good == "v3")
    assert world.state("v3") is VersionState.SERVING


def test_a_version_that_is_unsure_of_everything_is_not_excused_by_the_breaker_that_it_opened(world: World) -> None:
    world.script.cloudless = {"n1", "n2", "n3"}
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)


@pytest.mark.shows("blame._cloud_fails")
def test_an_alert_that_no_rule_explains_is_the_clouds_while_it_fails_on_a_quorum(world: World) -> None:
    world.script.cloudless = set(world.edges)
    world.run(10)
    world.alert(CALLERS)
    world.until(lambda w: blames(w) == {CALLERS: Blame.CLOUD})
    assert world.condition("Degraded") == ("True", "CloudBlamed")
    world.script.cloudless = set()
    world.until(lambda w: blames(w) == {CALLERS: Blame.VERSION})


def test_one_breaker_of_many_explains_nothing(world: World) -> None:
    world.script.cloudless = {"n3"}
    world.run(10)
    world.alert(CALLERS)
    world.until(lambda w: blames(w) == {CALLERS: Blame.VERSION})


def test_a_canary_is_not_taken_back_for_an_alert_about_the_wait_for_the_cloud(world: World) -> None:
    world.script.cloudless = set(world.edges)
    world.wish_for("v3")
    world.until(lambda w: "v3" in w.serving())
    assert world.status.rollout is not None
    (canary,) = world.status.rollout.nodes
    world.alert(CALLERS, canary)
    world.until(lambda w: w.status.version == "v3")


def test_while_the_cloud_fails_and_nothing_else_nothing_is_written(world: World) -> None:
    world.run(120)
    before = world.writes
    world.script.cloudless = set(world.edges)
    world.run(300)
    assert world.writes == before
