"""The fleet guard: how many nodes interrupt themselves at a time, when none may, and how a storm is stopped."""

from typing import Any

import pytest

from edgemodel.turns import seconds_until
from edgemodel.wish import Held
from edgemodel_operator.api.states import Decision
from edgemodel_operator.decide.guard import least
from tests.unit.operator.test_decide_verbs import Plant
from tests.unit.operator.world import World, digest

FAULT = "high-latency"


def plant(size: int = 4, *actions: str, **guard: Any) -> Plant:
    """v2 serves everywhere, v1 was proved before it; `actions` are taken about high latency."""
    plant = Plant(size=size)
    rungs = [{"type": action} for action in actions or ("Restart", "Alert")]
    plant.edit(lambda spec: spec["healing"]["strategies"][1].update(actions=rungs))
    plant.edit(lambda spec: spec["healing"].update(fleetGuard=guard))
    plant.until(lambda w: w.status.last_good == "v1")
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    return plant


def held(plant: World) -> Held:
    assert plant.wish is not None
    return plant.wish.healing.held


def turns(plant: World) -> int:
    assert plant.wish is not None
    return plant.wish.healing.turns


@pytest.mark.parametrize(("size", "share", "at_once"), [(4, "25%", 1), (4, 2, 2), (8, "50%", 4)])
@pytest.mark.shows("guard.turns")
def test_nodes_are_given_turns_in_which_no_more_than_allowed_begin(size: int, share: int | str, at_once: int) -> None:
    fleet = plant(size, maxConcurrent=share)
    for second in range(turns(fleet) * 10):
        assert sum(seconds_until(name, turns(fleet), second) == 0 for name in fleet.edges) <= at_once


def test_a_fleet_whose_ladders_interrupt_nobody_needs_no_turns() -> None:
    assert turns(plant(4, "SwitchModel", "Alert")) == 1


@pytest.mark.shows("guard.too_few_serve")
def test_while_too_few_nodes_serve_no_other_one_interrupts_itself() -> None:
    fleet = plant(4)
    fleet.script.sick["n1"] = FAULT
    fleet.until(lambda w: w.status.faults != ())
    assert held(fleet) is Held.NOTHING
    fleet.edges["n3"].linked = fleet.edges["n4"].linked = False
    fleet.until(lambda w: held(w) is Held.NODE_ACTIONS)
    fleet.edges["n3"].linked = fleet.edges["n4"].linked = True
    fleet.until(lambda w: held(w) is Held.NOTHING)


def test_at_rest_a_node_that_comes_and_goes_writes_no_wish() -> None:
    fleet = plant(4)
    revision = fleet.status.wish_revision
    fleet.edges["n3"].linked = fleet.edges["n4"].linked = False
    fleet.run(300)
    fleet.edges["n3"].linked = fleet.edges["n4"].linked = True
    fleet.run(60)
    assert fleet.status.wish_revision == revision


@pytest.mark.parametrize(
    ("share", "total", "wanted"), [("51%", 1, 0), ("51%", 2, 1), ("51%", 4, 2), ("51%", 200, 102), (3, 4, 3)]
)
def test_a_share_that_is_to_serve_is_rounded_down(share: int | str, total: int, wanted: int) -> None:
    assert least(share, total) == wanted


def test_a_fleet_wide_rollback_is_the_cure_and_is_not_held() -> None:
    fleet = plant(4, "SwitchModel", minServing="100%")
    fleet.script.heal_locally = False
    fleet.edges["n4"].linked = False
    fleet.run(60)
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.status.version == "v1")


@pytest.mark.shows("guard.count")
def test_heals_are_counted() -> None:
    fleet = plant(4, "SwitchModel")
    fleet.edges["n3"].heals_last_hour = 2
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.status.version == "v1")
    assert (fleet.status.healing.last_hour, fleet.status.healing.nodes) == (3, 2)
    fleet.run(3700)
    assert fleet.status.healing.last_hour == 2


def storm(**guard: Any) -> Plant:
    """Each node has healed itself again and again."""
    fleet = plant(4, "SwitchModel", **guard)
    for edge in fleet.edges.values():
        edge.heals_last_hour = 4
    fleet.until(lambda w: w.condition("AwaitingApproval") == ("True", "HealStorm"))
    return fleet


@pytest.mark.shows("guard.storming")
def test_a_storm_of_heals_stops_healing_everywhere_and_is_told_once() -> None:
    fleet = storm()
    fleet.script.heal_locally = False
    fleet.script.bad[digest(2)] = FAULT
    fleet.run(300)
    assert (fleet.status.version, held(fleet)) == ("v2", Held.EVERYTHING)
    assert fleet.condition("Healing") == ("False", "HealStorm")
    (told,) = fleet.told("PersonNeeded")
    assert told.startswith("16 heals in the last hour on 4 nodes, 12 are allowed (spec.healing.fleetGuard")


def test_healing_goes_on_when_the_storm_has_calmed_down() -> None:
    fleet = storm()
    for edge in fleet.edges.values():
        edge.heals_last_hour = 2
    fleet.run(60)
    assert held(fleet) is Held.EVERYTHING
    fleet.edges["n1"].heals_last_hour = 0
    fleet.until(lambda w: held(w) is Held.NOTHING)
    assert fleet.condition("AwaitingApproval") == ("False", "NothingWaits")


def test_a_person_lets_healing_go_on_in_a_storm_and_is_not_asked_again_in_the_same_one() -> None:
    fleet = storm()
    fleet.annotate(approve="healing@1")
    fleet.until(lambda w: held(w) is Held.NOTHING)
    fleet.edges["n1"].heals_last_hour = 9
    fleet.run(120)
    assert (held(fleet), len(fleet.told("PersonNeeded"))) == (Held.NOTHING, 1)
    assert [question.decision for question in fleet.status.approvals] == [Decision.APPROVED]


def test_silence_does_not_end_a_storm() -> None:
    fleet = storm()
    fleet.script.telemetry = False
    fleet.run(300)
    assert held(fleet) is Held.EVERYTHING


def test_nodes_that_leave_a_bad_version_once_are_no_storm() -> None:
    fleet = plant(12, "SwitchModel")
    for edge in fleet.edges.values():
        edge.heals_last_hour = 1
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.status.version == "v1")
    assert fleet.condition("AwaitingApproval") == ("", "")


def test_the_operator_waits_for_what_only_nodes_can_do() -> None:
    fleet = plant(4, "Restart", "Alert")
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.condition("Healing") == ("False", "NodesFirst"))
    fleet.run(120)
    assert fleet.status.heals == ()
    for edge in fleet.edges.values():
        edge.held = {FAULT: "LadderExhausted"}
    fleet.until(lambda w: w.condition("AwaitingApproval") == ("True", "PersonAsked"))


def test_nodes_that_never_say_that_they_are_done_are_not_waited_for_for_ever() -> None:
    fleet = plant(4, "Restart", "Alert")
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.condition("AwaitingApproval") == ("True", "PersonAsked"), within=900)


def test_nodes_whose_rule_takes_long_are_waited_for_that_long() -> None:
    fleet = plant(4, "Restart", "Alert")
    fleet.edit(lambda spec: spec["health"].update(interval="10s"))
    fleet.edit(lambda spec: [rule.update(window=90) for rule in spec["health"]["rules"]])
    fleet.script.bad[digest(2)] = FAULT
    fleet.run(900)
    assert fleet.condition("Healing") == ("False", "NodesFirst")


def test_a_node_that_cannot_heal_itself_is_somebodys_to_look_at() -> None:
    fleet = plant(4, "Restart", "Alert")
    fleet.script.sick["n3"] = FAULT
    fleet.until(lambda w: w.status.faults != ())
    fleet.edges["n3"].held = {FAULT: "LadderExhausted"}
    fleet.until(lambda w: w.condition("AwaitingApproval") == ("True", "NodeExhausted"))
    (told,) = fleet.told("PersonNeeded")
    assert told.startswith(
        "high-latency is still there on n3 (LadderExhausted) after what a node may do (Restart): look"
    )
    fleet.annotate(approve="@1")
    fleet.run(120)
    assert fleet.condition("AwaitingApproval") == ("False", "NothingWaits")
