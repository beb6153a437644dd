"""What nodes did by themselves is kept, said once, and counts as evidence."""

import copy

import pytest

from edgemodel import wish
from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.states import VersionState
from tests.unit.operator.plant import artifact
from tests.unit.operator.world import KEY, World, digest


@pytest.fixture
def world(two_good: World) -> World:
    """v2 serves everywhere, v1 is resident; n3 loses its link, has a fault with v2, falls back, and comes back."""
    world = copy.deepcopy(two_good)
    world.edges["n3"].linked = False
    world.run(60)
    world.script.sick["n3"] = "low-confidence"
    world.until(lambda w: w.edges["n3"].served[-1] == "v1")
    world.script.sick.clear()
    world.run(60)
    world.edges["n3"].linked = True
    return world


def adopted(world: World) -> bool:
    return any(entry.adopted for entry in world.status.nodes.exceptions)


def test_a_node_that_healed_itself_without_a_link_is_kept_as_it_is(world: World) -> None:
    revision = world.status.wish_revision
    world.until(adopted)
    world.run(600)
    (entry,) = world.status.nodes.exceptions
    assert (entry.name, entry.version, entry.reason) == ("n3", "v1", "low-confidence")
    assert world.edges["n3"].served == ["v1", "v2", "v1"]
    assert (world.status.version, world.status.wish_revision) == ("v2", revision)


@pytest.mark.shows("adoption.adopt")
def test_its_heal_is_told_once_and_recorded_as_its_own(world: World) -> None:
    world.until(adopted)
    world.run(600)
    world.restart()
    world.run(60)
    assert len(world.told("Adopted")) == 1
    assert "edgemodel clear-quarantine digits v2" in world.told("Adopted")[0]
    (heal,) = world.status.heals
    assert (heal.nodes, heal.action, heal.from_, heal.to) == (("n3",), ActionType.SWITCH_MODEL, "v2", "v1")
    assert heal.verdict is Verdict.PROVED


def test_its_heal_is_told_once_though_nobody_reports_for_a_while(world: World) -> None:
    world.until(adopted)
    world.script.telemetry = False
    world.run(120)
    assert adopted(world)
    world.script.telemetry = True
    world.run(120)
    assert (len(world.told("Adopted")), len(world.status.heals)) == (1, 1)


def test_its_heal_is_told_once_though_it_leaves_the_fleet_while_its_last_report_counts(world: World) -> None:
    world.until(adopted)
    world.script.telemetry = False
    world.remove_node("n3")
    world.run(120)
    assert (len(world.told("Adopted")), len(world.status.heals)) == (1, 1)


def test_a_node_whose_own_heal_is_proved_degrades_nothing(world: World) -> None:
    world.until(adopted)
    world.run(60)
    assert world.status.faults == ()
    assert world.condition("Degraded")[0] != "True"


def test_once_it_was_degraded_the_condition_says_who_stays_behind_and_the_way_back(world: World) -> None:
    world.script.sick["n3"] = "low-confidence"
    world.until(lambda w: w.condition("Degraded") == ("True", "NodeBlamed"))
    world.script.sick.clear()
    world.until(lambda w: w.condition("Degraded") == ("False", "NoFault"))
    world.until(adopted)
    world.step()
    found = world.status.condition("Degraded")
    assert found is not None
    assert "n3 left v2 for v1 by itself (low-confidence); to try v2 there again: edgemodel clear" in found.message


def test_a_node_whose_own_heal_did_not_help_stays_blamed(world: World) -> None:
    world.script.sick["n3"] = "low-confidence"
    world.until(lambda w: w.status.faults != ())
    world.run(300)
    assert not adopted(world)
    assert world.condition("Degraded") == ("True", "NodeBlamed")


def test_the_nodes_own_heal_does_not_slow_down_the_fleets(world: World) -> None:
    world.until(adopted)
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: w.status.version == "v1", within=30)


def test_what_the_node_left_is_evidence_when_others_leave_it_too(world: World) -> None:
    world.until(adopted)
    world.script.sick["n1"] = "low-confidence"
    world.until(lambda w: w.status.version == "v1")
    assert world.state("v2") is VersionState.QUARANTINED


def test_another_wish_of_the_fleet_wins_over_the_nodes_choice(world: World) -> None:
    world.until(adopted)
    world.wish_for("v3")
    world.until(lambda w: w.serving() == {"v3"})
    world.until(lambda w: w.status.nodes.exceptions == ())


def test_a_person_has_the_version_tried_again(world: World) -> None:
    world.until(adopted)
    world.annotate(clear_quarantine="v2")
    world.until(lambda w: w.serving() == {"v2"})
    world.until(lambda w: w.status.nodes.exceptions == ())


# What another EdgeModel of the same name left


def owners(world: World) -> set[str]:
    children = [("ConfigMap", "digits-wish"), ("DaemonSet", "digits"), ("Service", "digits")]
    return {owner["uid"] for place in children for owner in world.objects[place]["metadata"]["ownerReferences"]}


@pytest.mark.shows("adoption.take_over")
def test_an_edgemodel_that_is_applied_anew_takes_over_what_its_predecessor_left(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    workload, revision = world.objects["DaemonSet", "digits"], world.status.wish_revision
    world.leave_children("anew", version="v2")
    world.run(120)
    assert owners(world) == {"anew"}
    assert world.objects["DaemonSet", "digits"]["metadata"]["uid"] == workload["metadata"]["uid"]
    assert world.objects["DaemonSet", "digits"]["spec"] == workload["spec"]
    assert all(edge.served == two_good.edges[name].served for name, edge in world.edges.items())
    assert (world.status.version, world.condition("Ready")) == ("v2", ("True", "Serving"))
    assert world.status.wish_revision == revision, "nodes are told nothing new"
    assert len(world.told("Adopted")) == 1


def test_another_version_that_it_wishes_goes_to_a_canary_first(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    world.leave_children("anew", version="v3")
    world.until(lambda w: "v3" in w.serving())
    assert sum("v3" in edge.served for edge in world.edges.values()) == 1
    world.until(lambda w: w.serving() == {"v3"})


def test_what_its_predecessor_barred_stays_barred(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    world.script.bad[digest(3)] = "low-confidence"
    world.wish_for("v3")
    world.until(lambda w: w.state("v3") is VersionState.QUARANTINED)
    world.until(lambda w: w.serving() == {"v2"})
    world.script.bad.clear()
    world.leave_children("anew", version="v3")
    world.run(120)
    assert (world.state("v3"), world.serving()) == (VersionState.QUARANTINED, {"v2"})
    assert world.condition("Stalled") == ("True", "VersionQuarantined")


def test_all_that_the_longest_history_left_fits_beside_the_longest_spec(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    left = world.objects["ConfigMap", "digits-wish"]
    barred = tuple(digest(100 + number) for number in range(40))
    told = wish.parse(left["data"][wish.FILE_NAME]).model_copy(update={"refused": barred})
    world.api.put(("ConfigMap", "digits-wish"), left | {"data": {wish.FILE_NAME: told.dump()}})
    world.leave_children("anew", version="v2", versions=[artifact(f"v{number}", number) for number in range(2, 22)])
    world.run(120)
    assert (world.status.version, world.condition("Ready")) == ("v2", ("True", "Serving"))
    stay_out = [version for version in world.status.versions if version.name.startswith("left-")]
    assert len(stay_out) >= 18
    assert {version.state for version in stay_out} == {VersionState.QUARANTINED}


def test_what_somebody_else_owns_is_left_alone(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    place = ("ConfigMap", "digits-wish")
    body = copy.deepcopy(world.objects[place])
    stranger = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "digits", "uid": "stranger"}
    body["metadata"]["ownerReferences"] = [stranger]
    world.api.put(place, body)
    world.leave_children("anew", version="v2")
    world.run(60)
    assert world.objects[place]["metadata"]["ownerReferences"] == [stranger]
    assert world.condition("Stalled") == ("True", "NameTaken")


def test_what_took_the_place_of_a_child_unseen_is_left_alone(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    place = ("ConfigMap", "digits-wish")
    world.operator.watches.lag = 3
    stranger = world.objects[place] | {"metadata": {"name": "digits-wish", "namespace": KEY.namespace, "uid": "x"}}
    world.remove(*place)
    world.api.put(place, stranger)
    world.operator.watches.lag = 0
    world.edit(lambda spec: spec["health"]["rules"][0].update(threshold=0.6))
    world.run(60)
    assert world.objects[place]["data"] == stranger["data"]
    assert "ownerReferences" not in world.objects[place]["metadata"]
    assert world.condition("Stalled") == ("True", "NameTaken")


def test_a_known_child_is_written_without_being_read(two_good: World) -> None:
    world = copy.deepcopy(two_good)
    before, revision = world.api.reads, world.status.wish_revision
    world.edit(lambda spec: spec["health"]["rules"][0].update(threshold=0.6))
    world.run(60)
    assert (world.api.reads, world.status.wish_revision) == (before, revision + 1)
