"""Steps that wait for a person, waves in which one node is bad, and what happens to nodes that were away."""

import copy

import pytest

from edgemodel_operator.api.states import VersionState
from tests.unit.operator.world import World, digest

TWO_STEPS = [{"nodes": 1, "hold": "10s", "approve": True}, {"nodes": 4, "hold": "10s"}]


@pytest.fixture(scope="module")
def settled() -> World:
    world = World(size=6)
    world.edit(lambda spec: spec["rollout"].update(steps=TWO_STEPS))
    world.until(lambda w: w.status.last_good == "v1")
    return world


@pytest.fixture
def world(settled: World) -> World:
    """Six nodes on which v1 serves; a person approves the canary, then four nodes follow, then all."""
    return copy.deepcopy(settled)


def waits(world: World) -> bool:
    return world.condition("AwaitingApproval") == ("True", "BeforeStep")


def at_the_gate(world: World) -> World:
    world.wish_for("v2")
    world.until(waits)
    return world


def with_version(world: World, name: str) -> list[str]:
    return [edge.name for edge in world.edges.values() if edge.served[-1] == name]


# Gates


def test_a_step_that_wants_a_person_waits_for_one_and_says_how_to_answer(world: World) -> None:
    at_the_gate(world).run(3600)
    assert with_version(world, "v2") == ["n1"]
    condition = world.status.condition("AwaitingApproval")
    assert condition is not None
    assert "v2 held on n1" in condition.message
    assert "kubectl edgemodel approve digits -n plant-a" in condition.message
    assert len(world.told("PersonNeeded")) == 1


def test_a_clock_that_was_set_back_asks_no_person_again_and_again(world: World) -> None:
    world.wish_for("v2")
    world.step()
    world.set_clock(-300)
    world.until(waits)
    world.run(60)
    assert len(world.told("PersonNeeded")) == 1
    world.annotate(approve="v2@1")
    world.until(lambda w: w.serving() == {"v2"})


def test_waiting_for_a_person_is_not_being_stalled(world: World) -> None:
    at_the_gate(world).run(3600)
    assert world.condition("Stalled") == ("", "")


def test_a_version_that_a_person_approves_goes_on(world: World) -> None:
    at_the_gate(world).annotate(approve="v2@1")
    world.until(lambda w: w.serving() == {"v2"})
    assert world.condition("AwaitingApproval")[0] != "True"


def test_a_version_that_a_person_rejects_goes_back_and_stays_away(world: World) -> None:
    at_the_gate(world).annotate(reject="v2@1")
    world.until(lambda w: w.serving() == {"v1"})
    found = world.status.find_version("v2")
    assert found is not None
    assert (found.state, found.reason) == (VersionState.REJECTED, "RejectedByPerson")
    world.run(300)
    assert world.serving() == {"v1"}


def test_a_version_that_is_promoted_passes_the_gate(world: World) -> None:
    at_the_gate(world).annotate(promote="next@1")
    world.until(lambda w: w.serving() == {"v2"})


def test_a_fault_at_the_gate_takes_the_version_back(world: World) -> None:
    at_the_gate(world)
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    world.until(lambda w: w.serving() == {"v1"})
    assert world.condition("AwaitingApproval")[0] != "True"


def test_another_wish_at_the_gate_ends_the_waiting(world: World) -> None:
    at_the_gate(world).wish_for("v1")
    world.until(lambda w: w.serving() == {"v1"})
    assert world.condition("AwaitingApproval")[0] != "True"


def test_each_gate_asks_anew(world: World) -> None:
    steps = [{"nodes": 1, "hold": "10s", "approve": True}, {"nodes": 3, "hold": "10s", "approve": True}]
    world.edit(lambda spec: spec["rollout"].update(steps=steps))
    at_the_gate(world).annotate(approve="v2@1")
    world.until(lambda w: len(with_version(w, "v2")) == 3)
    world.until(waits)
    world.run(120)
    assert len(with_version(world, "v2")) == 3
    world.annotate(approve="v2@2")
    world.until(lambda w: w.serving() == {"v2"})


def test_a_restarted_operator_goes_on_waiting(world: World) -> None:
    at_the_gate(world).restart()
    world.run(120)
    assert waits(world)
    assert len(world.told("PersonNeeded")) == 1
    world.annotate(approve="v2@1")
    world.until(lambda w: w.serving() == {"v2"})


# One bad node


def test_one_bad_node_of_a_wave_is_blamed_itself_and_does_not_stop_the_others(world: World) -> None:
    world.script.sick["n3"] = "high-latency"
    at_the_gate(world).annotate(approve="v2@1")
    world.until(lambda w: w.status.version == "v2")
    assert world.state("v2") is VersionState.SERVING
    (fault,) = world.status.faults
    assert (fault.name, fault.nodes, fault.blame) == ("high-latency", ("n3",), "Node")


def test_a_bad_node_of_a_wave_is_named_while_the_wave_is_under_way(world: World) -> None:
    at_the_gate(world)
    world.script.heal_locally = False
    world.annotate(approve="v2@1")
    world.until(lambda w: "n3" in with_version(w, "v2"))
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.condition("Degraded") == ("True", "NodeBlamed"))
    assert world.status.rollout is not None
    world.until(lambda w: w.status.version == "v2")


def test_one_node_of_a_wave_that_cannot_open_the_artifact_stays_behind(world: World) -> None:
    at_the_gate(world)
    world.edges["n2"].refused[digest(2)] = ("v2", "NotOnnx")
    world.annotate(approve="v2@1")
    world.until(lambda w: w.status.version == "v2")
    assert with_version(world, "v1") == ["n2"]
    assert {e.name: e.reason for e in world.status.nodes.exceptions} == {"n2": "NotOnnx"}


def test_two_bad_nodes_of_four_take_the_version_back(world: World) -> None:
    at_the_gate(world)
    world.script.sick |= {"n2": "high-latency", "n3": "low-confidence"}
    world.annotate(approve="v2@1")
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    world.until(lambda w: w.serving() == {"v1"})


def test_a_canary_alone_is_believed(world: World) -> None:
    world.script.sick["n1"] = "high-latency"
    world.script.heal_locally = False
    world.wish_for("v2")
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)


# Nodes that were away


def test_a_node_that_was_away_never_gets_a_version_that_was_skipped(world: World) -> None:
    world.edges["n6"].linked = False
    world.run(60)
    at_the_gate(world).annotate(approve="v2@1")
    world.until(lambda w: w.status.version == "v2")
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    world.edit(lambda spec: spec["rollout"].update(steps=[]))
    world.wish_for("v3")
    world.until(lambda w: w.status.version == "v3")
    world.edges["n6"].linked = True
    world.until(lambda w: w.serving() == {"v3"}, within=120)
    assert world.edges["n6"].served == ["v1", "v3"]


def test_a_node_that_was_away_during_a_rollout_that_was_taken_back_never_sees_the_version(world: World) -> None:
    world.edges["n2"].linked = False
    world.run(60)
    at_the_gate(world).annotate(reject="v2@1")
    world.until(lambda w: w.serving() == {"v1"})
    world.edges["n2"].linked = True
    world.run(120)
    assert world.edges["n2"].served == ["v1"]


def test_a_step_may_be_held_for_longer_than_the_progress_deadline(world: World) -> None:
    world.edit(lambda spec: spec["rollout"].update(steps=[{"nodes": 1, "hold": "15m"}], progressDeadline="1m"))
    world.wish_for("v2")
    world.run(840)
    assert world.condition("Stalled") == ("", "")


def test_a_version_is_not_taken_back_for_making_no_progress(world: World) -> None:
    world.script.requests = 0
    world.wish_for("v2")
    world.until(lambda w: w.condition("Stalled") == ("True", "ProgressDeadlineExceeded"), within=900)
    world.run(3600)
    assert world.state("v2") is VersionState.CANARY
    stalled = world.status.condition("Stalled")
    assert stalled is not None
    assert "promote or rollback" in stalled.message
