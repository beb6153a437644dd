"""The last rung is a person: what waits for one says so, with what was tried and how to answer."""

from typing import Any

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel.outcome import Gate as JobGate
from edgemodel.outcome import Outcome
from edgemodel_operator.api.states import Decision, VerbResult, VersionState
from tests.unit.operator.test_decide_verbs import Plant
from tests.unit.operator.world import World, artifact, digest, student

FAULT = "low-confidence"
REJECTED = Outcome(code="Rejected", gates=(JobGate(name="min_accuracy", want=0.9, got=0.4, passed=False),))


def lone(approval: str = "Never", *actions: dict[str, Any]) -> Plant:
    """v1 serves and was proved good, nothing else was; what was asked for is in `approval`."""
    plant = Plant(size=2)
    plant.edit(lambda spec: spec["healing"].update(approval=approval))
    if actions:
        plant.edit(lambda spec: spec["healing"]["strategies"][0].update(actions=list(actions)))
    plant.until(lambda w: w.status.last_good == "v1")
    return plant


def drifting(approval: str = "Never", *actions: dict[str, Any]) -> Plant:
    """The input drifts, and the first student would be robust."""
    plant = lone(approval, *actions)
    plant.script.drift, plant.script.robust = FAULT, {student(1)}
    return plant


def fleet_turned_bad(approval: str) -> Plant:
    """v2 serves, v1 was proved before it, and v2 turns bad."""
    plant = lone(approval)
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    plant.script.heal_locally = False
    plant.script.bad[digest(2)] = FAULT
    return plant


def awaiting(plant: World) -> str:
    """What the condition says while something waits; empty: nothing does."""
    found = plant.status.condition("AwaitingApproval")
    return found.message if found is not None and found.status == "True" else ""


def tried(plant: World) -> list[tuple[ActionType, Verdict | None]]:
    return [(heal.action, heal.verdict) for heal in plant.status.heals]


def test_a_student_that_fails_under_another_name_while_it_waits_for_a_person_does_not_hold_up_healing() -> None:
    plant = lone("BeforePromote")
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    plant.script.outcomes[1] = Outcome(code="Accepted", digest=digest(1))  # v1's very bytes, which serve by then
    plant.script.heal_locally, plant.script.drift = False, FAULT
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforePromote"))
    plant.script.sick |= dict.fromkeys(plant.edges, "high-latency")
    plant.until(lambda w: w.state("distilled-1") is VersionState.QUARANTINED)
    plant.script.sick.clear()
    plant.until(lambda w: (ActionType.ALERT, None) in tried(w), within=600)
    assert (ActionType.REDISTILL, Verdict.FAILED) in tried(plant)


@pytest.mark.shows("findings_people.awaiting_approval")
def test_training_waits_for_a_person_and_the_condition_says_how_to_answer() -> None:
    plant = drifting("BeforeRedistill")
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforeRedistill"))
    plant.run(300)
    assert (plant.jobs, tried(plant)) == ([], [])
    assert awaiting(plant).startswith("low-confidence on n1, n2 (Input is blamed): distilled-1 would be distilled: ")
    assert "kubectl edgemodel approve digits -n plant-a" in awaiting(plant)
    assert len(plant.told("PersonNeeded")) == 1


def test_the_command_in_the_message_is_the_one_that_works() -> None:
    plant = drifting("BeforeRedistill")
    plant.until(lambda w: awaiting(w) != "")
    command = awaiting(plant).split("edgemodel.dev/approve=")[1]
    plant.annotate(approve=command)
    assert plant.answer.result is VerbResult.DONE
    plant.until(lambda w: w.serving() == {"distilled-1"})
    assert plant.status.approvals == ()
    assert plant.condition("AwaitingApproval") == ("False", "NothingWaits")


def test_what_was_rejected_is_not_asked_again_and_the_ladder_climbs_past_it() -> None:
    plant = drifting("BeforeRedistill")
    plant.until(lambda w: awaiting(w) != "")
    plant.annotate(reject="@1")
    plant.run(600)
    assert (plant.jobs, tried(plant)) == ([], [(ActionType.ALERT, None)])
    assert plant.condition("AwaitingApproval") == ("True", "PersonAsked")


@pytest.mark.shows("approval.tidy")
def test_a_rejection_is_over_when_the_fault_is() -> None:
    plant = drifting("BeforeRedistill", {"type": "Redistill"})
    plant.until(lambda w: awaiting(w) != "")
    plant.annotate(reject="@1")
    plant.script.drift = ""
    plant.until(lambda w: w.status.faults == ())
    assert plant.status.approvals == ()
    plant.run(300)
    plant.script.drift = FAULT
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforeRedistill"))


def test_a_student_waits_at_its_gate_before_its_first_node() -> None:
    plant = drifting("BeforePromote")
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforePromote"), within=900)
    plant.run(300)
    assert plant.serving() == {"v1"}
    assert awaiting(plant).startswith("distilled-1 passed its gates (accuracy 0.9) and would go to its first node")
    plant.annotate(approve="distilled-1@1")
    plant.until(lambda w: w.serving() == {"distilled-1"})
    plant.until(lambda w: tried(w) == [(ActionType.REDISTILL, Verdict.PROVED)])


def test_a_student_that_a_person_rejects_never_serves() -> None:
    plant = drifting("BeforePromote")
    plant.until(lambda w: awaiting(w) != "", within=900)
    plant.annotate(reject="distilled-1@1")
    plant.run(600)
    assert plant.state("distilled-1") is VersionState.REJECTED
    assert plant.serving() == {"v1"}
    assert tried(plant) == [(ActionType.REDISTILL, Verdict.FAILED), (ActionType.ALERT, None)]


def test_a_student_that_a_person_asked_for_waits_for_a_person_too() -> None:
    plant = lone("BeforePromote")
    plant.annotate(redistill="1")
    plant.until(lambda w: awaiting(w) != "")
    plant.annotate(redistill="2")
    assert plant.answer.message == "distilled-1 waits for a person: approve or reject it first"


def test_a_fleet_is_rolled_back_while_a_student_waits_for_a_person() -> None:
    plant = fleet_turned_bad("BeforePromote")
    plant.script.bad.clear()
    plant.annotate(redistill="1")
    plant.until(lambda w: awaiting(w) != "")
    plant.script.bad[digest(2)] = "high-latency"
    plant.until(lambda w: w.status.version == "v1")
    assert plant.condition("AwaitingApproval") == ("True", "BeforePromote")


def test_a_new_wish_wins_over_a_student_that_waits() -> None:
    plant = drifting("BeforePromote")
    plant.until(lambda w: awaiting(w) != "", within=900)
    plant.script.drift = ""
    plant.wish_for("v3")
    plant.until(lambda w: w.serving() == {"v3"})
    plant.run(300)
    assert (awaiting(plant), plant.serving()) == ("", {"v3"})


def test_a_student_goes_on_when_nobody_is_to_be_asked_any_more() -> None:
    plant = drifting("BeforePromote")
    plant.until(lambda w: awaiting(w) != "", within=900)
    plant.edit(lambda spec: spec["healing"].update(approval="Never"))
    plant.until(lambda w: w.serving() == {"distilled-1"})


def test_always_asks_before_the_fleet_is_rolled_back() -> None:
    plant = fleet_turned_bad("Always")
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforeSwitch"))
    plant.run(300)
    assert plant.serving() == {"v2"}
    plant.annotate(approve="@1")
    plant.until(lambda w: w.serving() == {"v1"})
    assert plant.state("v2") is VersionState.QUARANTINED


@pytest.mark.parametrize("approval", ["Never", "BeforeRedistill", "BeforePromote"])
def test_otherwise_a_rollback_waits_for_nobody(approval: str) -> None:
    plant = fleet_turned_bad(approval)
    plant.until(lambda w: w.serving() == {"v1"})
    assert awaiting(plant) == ""


def test_a_ladder_at_its_end_says_what_was_tried_and_begins_anew_when_a_person_says_so() -> None:
    plant = drifting("Never", {"type": "Redistill"})
    plant.script.outcomes[1] = REJECTED
    plant.script.robust = {student(2)}
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "LadderExhausted"), within=900)
    assert "no action is left; tried: Redistill Failed: " in awaiting(plant)
    plant.run(900)
    assert len(plant.jobs) == 1
    plant.annotate(approve=f"{FAULT}@1")
    plant.until(lambda w: w.serving() == {"distilled-2"}, within=900)


def test_a_ladder_that_ends_again_asks_again() -> None:
    plant = drifting("Never", {"type": "Redistill"})
    plant.script.outcomes |= {1: REJECTED, 2: REJECTED}
    plant.until(lambda w: awaiting(w) != "", within=900)
    plant.annotate(approve="@1")
    plant.until(lambda w: len(w.told("PersonNeeded")) == 2, within=900)
    plant.run(900)
    assert len(plant.jobs) == 2


def test_after_an_alert_a_person_lets_the_ladder_go_on_with_what_comes_next() -> None:
    plant = drifting("Never", {"type": "Alert"}, {"type": "Redistill"})
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "PersonAsked"), within=900)
    plant.run(600)
    assert plant.jobs == []
    plant.annotate(approve="@1")
    plant.until(lambda w: w.serving() == {"distilled-1"}, within=900)


def test_too_many_heals_are_a_persons_matter() -> None:
    plant = fleet_turned_bad("Never")
    plant.edit(lambda spec: spec["healing"].update(maxPerHour=1))
    plant.until(lambda w: tried(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    plant.edit(lambda spec: spec.update(backup="v3", version="v1"))
    plant.script.bad[digest(1)] = FAULT
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "TooManyHeals"), within=900)
    assert "1 heals in an hour (spec.healing.maxPerHour)" in awaiting(plant)


def test_with_two_questions_the_answer_names_one() -> None:
    plant = drifting("Always")
    plant.until(lambda w: awaiting(w) != "")
    plant.annotate(approve=f"{FAULT}@1")
    plant.until(lambda w: w.condition("AwaitingApproval") == ("True", "BeforePromote"), within=900)
    plant.annotate(approve="v9@1")
    assert plant.answer.message == "want one of distilled-1, got 'v9'"
    plant.annotate(approve="distilled-1@2")
    assert plant.answer.message == "Promote of distilled-1 is Approved"


def test_an_operator_that_restarts_asks_once_and_remembers_the_answer() -> None:
    plant = drifting("BeforeRedistill", {"type": "Redistill"})
    plant.until(lambda w: awaiting(w) != "")
    plant.restart()
    plant.annotate(reject="@1")
    plant.restart()
    plant.run(600)
    assert [(a.gate.value, a.decision) for a in plant.status.approvals][:1] == [("Redistill", Decision.REJECTED)]
    assert plant.jobs == []


@pytest.mark.shows("heal.next_for")
def test_the_operator_waits_for_an_actions_delay() -> None:
    plant = lone("Never", {"type": "SwitchModel", "delay": "2m"})
    plant.edit(lambda spec: spec["versions"].append(artifact("v4", 4)))
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    plant.script.heal_locally = False
    plant.script.bad[digest(2)] = FAULT
    plant.until(lambda w: w.condition("Healing") == ("False", "Delayed"))
    plant.run(90)
    assert plant.status.version == "v2"
    plant.until(lambda w: w.status.version == "v1", within=60)


def test_each_redistillation_of_a_strategy_has_its_own_settings() -> None:
    rungs = ({"type": "Redistill", "epochs": 3}, {"type": "Redistill", "epochs": 30})
    plant = drifting("Never", *rungs)
    plant.script.outcomes[1] = REJECTED
    plant.script.robust = {student(2)}
    plant.until(lambda w: len(w.jobs) == 2, within=900)
    assert [heal.rung for heal in plant.status.heals] == [0, 1]
    orders = [str(plant.objects["Job", name]) for name in sorted(plant.jobs)]
    assert ['"epochs":3,' in orders[0], '"epochs":30,' in orders[1]] == [True, True]
