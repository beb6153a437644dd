"""What people read while something goes on: each reason at its time, in the order of what happens."""

import copy

import pytest

from edgemodel.outcome import Gate, Outcome
from tests.unit.operator.world import World, digest, student

REJECTED = Outcome(code="Rejected", gates=(Gate(name="accuracy", want=0.9, got=0.5, passed=False),))


def said(world: World, type_: str, seconds: float) -> list[str]:
    """Status and reason of a condition, each time that it changed within `seconds`."""
    found: list[str] = []
    for _ in range(round(seconds / 5)):
        world.step()
        word = " ".join(world.condition(type_))
        found += [word] if found[-1:] != [word] else []
    return found


@pytest.fixture
def world(one_good: World) -> World:
    """v1 serves and was proved good."""
    return copy.deepcopy(one_good)


@pytest.mark.shows("findings.rolling_out")
def test_a_rollout_says_how_far_it_is(world: World) -> None:
    world.edit(
        lambda spec: spec["rollout"].update(steps=[{"nodes": 1, "hold": "20s"}, {"nodes": "50%", "hold": "20s"}])
    )
    world.wish_for("v2")
    assert said(world, "RollingOut", 200) == ["True Canary", "True Wave", "False Complete"]


@pytest.mark.shows("findings_nodes.reconciling")
def test_what_is_carried_out_is_said_only_while_it_is(world: World) -> None:
    world.wish_for("v2")
    assert said(world, "Reconciling", 200) == ["True WaitingForNodes", " "]


@pytest.mark.shows("findings_healing.healing")
def test_a_heal_says_what_it_waits_for(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.status.version == "v1")
    world.script.requests = 0
    assert said(world, "Healing", 60) == ["True Settling", "True WaitingForEvidence"]
    world.script.requests = 10
    assert said(world, "Healing", 120)[-1] == "False NothingToHeal"


def test_a_heal_about_which_nothing_was_measured_is_told(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.status.version == "v1")
    world.script.requests = 0
    world.until(lambda w: len(w.told("HealUnproved")) == 1)


@pytest.mark.shows("findings.distilling")
def test_a_distillation_says_how_far_it_is(world: World) -> None:
    world.script.drift, world.script.robust = "low-confidence", {student(1)}
    assert said(world, "Distilling", 120)[-3:] == ["True JobPending", "True JobRunning", "False StudentAccepted"]
    assert [len(world.told(word)) for word in ("HealStarted", "DistillationStarted", "DistillationAccepted")] == [
        1,
        1,
        1,
    ]


def test_while_a_successor_is_made_the_heal_is_acting(world: World) -> None:
    world.script.drift = "low-confidence"
    world.until(lambda w: w.condition("Healing") == ("True", "Acting"))


def test_a_student_that_fails_its_gates_is_told(world: World) -> None:
    world.script.drift, world.script.outcomes[1] = "low-confidence", REJECTED
    world.until(lambda w: w.condition("Distilling") == ("False", "GatesRejected"))
    assert [len(world.told(word)) for word in ("DistillationRejected", "HealFailed")] == [1, 1]


@pytest.mark.shows("findings.degraded")
def test_a_version_with_nothing_to_fall_back_to_is_blamed_by_name() -> None:
    world = World()
    world.script.bad[digest(1)] = "high-latency"
    world.until(lambda w: w.condition("Degraded") == ("True", "VersionBlamed"))


@pytest.mark.shows("findings_nodes.ready")
def test_where_all_nodes_are_out_of_sight_nobody_knows_whether_they_serve(world: World) -> None:
    for edge in world.edges.values():
        edge.linked = False
    world.until(lambda w: w.condition("Ready") == ("Unknown", "NotObserved"))


@pytest.mark.shows("findings_healing.healing")
def test_a_fault_that_no_strategy_names_says_so(world: World) -> None:
    world.edit(lambda spec: spec["healing"].update(strategies=spec["healing"]["strategies"][:1]))
    world.script.drift = "high-latency"
    world.until(lambda w: w.condition("Healing") == ("False", "NoStrategy"))
