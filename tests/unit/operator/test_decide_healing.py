"""Faults in steady state: blame before action, each action proved, the next one when it did not help."""

import copy
from dataclasses import replace

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel.outcome import Gate, Outcome
from edgemodel_operator.api.states import Blame, DistillationPhase, VersionState
from edgemodel_operator.model.observation import Alert, Notice
from tests.unit.operator.world import World, artifact, digest, student

ERROR = Outcome(code="TeacherUnreadable", message="teacher: want one input, got none")
REJECTED = Outcome(code="Rejected", gates=(Gate(name="min_accuracy", want=0.9, got=0.4, passed=False),))


@pytest.fixture
def lone(one_good: World) -> World:
    """v1 serves and was proved good; nothing else was ever proved, so there is no backup."""
    return copy.deepcopy(one_good)


@pytest.fixture
def world(two_good: World) -> World:
    """v2 serves everywhere and was proved good, v1 before it."""
    return copy.deepcopy(two_good)


def actions(world: World) -> list[tuple[ActionType, Verdict | None]]:
    return [(heal.action, heal.verdict) for heal in world.status.heals]


def turn_bad(world: World, number: int, fault: str = "low-confidence") -> None:
    world.script.bad[digest(number)] = fault


@pytest.mark.parametrize("locally", [True, False])
@pytest.mark.shows("heal.climb", "ladder._prove", "heal.prove")
def test_a_fleet_that_turns_bad_goes_back_to_the_backup(world: World, locally: bool) -> None:
    world.script.heal_locally = locally
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    assert world.serving() == {"v1"}
    assert world.state("v2") is VersionState.QUARANTINED
    assert len(world.told("RolledBack")) == 1
    assert world.jobs == []


def test_the_users_backup_comes_before_the_last_proved_version(world: World) -> None:
    world.edit(lambda spec: spec.update(backup="v3"))
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v3")


def test_a_barred_backup_is_passed_over(world: World) -> None:
    turn_bad(world, 3)
    world.wish_for("v3")
    world.until(lambda w: w.state("v3") is VersionState.QUARANTINED)
    world.run(120)
    world.edit(lambda spec: spec.update(version="v2", backup="v3"))
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")


def test_the_same_artifact_under_another_name_is_no_backup(lone: World) -> None:
    lone.edit(lambda spec: (spec["versions"].append(artifact("v1-again", 1)), spec.update(backup="v1-again")))
    turn_bad(lone, 1)
    lone.run(120)
    assert ActionType.SWITCH_MODEL not in {action for action, _ in actions(lone)}


@pytest.mark.shows("blame._few", "blame.assess")
def test_a_fault_on_one_node_is_the_nodes_and_the_version_stays(world: World) -> None:
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.status.faults != ())
    world.run(600)
    (fault,) = world.status.faults
    assert (fault.name, fault.nodes, fault.blame) == ("high-latency", ("n3",), Blame.NODE)
    assert world.status.version == "v2"
    assert world.state("v2") is VersionState.SERVING
    assert actions(world) == []


@pytest.mark.shows("blame._else")
def test_a_fault_on_half_of_the_nodes_is_the_versions(world: World) -> None:
    world.script.sick |= {"n1": "high-latency", "n2": "high-latency"}
    world.until(lambda w: w.status.version == "v1")


def test_a_sick_node_recovers_without_a_trace(world: World) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.status.faults != ())
    world.script.sick.clear()
    world.until(lambda w: w.status.faults == ())
    assert world.told("FaultCleared") == ["high-latency"]
    assert world.condition("Degraded") == ("False", "NoFault")


def test_a_node_that_is_cut_off_does_not_vote(world: World) -> None:
    world.edges["n4"].linked = False
    world.run(60)
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")


@pytest.mark.parametrize("restarted", [True, False])
def test_a_sick_node_is_not_outvoted_into_the_version_when_the_others_fall_silent(restarted: bool) -> None:
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    world.script.sick["n1"] = "low-confidence"
    world.until(lambda w: [fault.blame for fault in w.status.faults] == [Blame.NODE])
    world.edges["n2"].linked = False
    if restarted:
        world.restart()
    world.run(300)
    assert (world.status.version, world.told("RolledBack")) == ("v2", [])
    assert [fault.blame for fault in world.status.faults] == [Blame.NODE]


def test_the_nodes_in_sight_decide_for_those_that_are_cut_off() -> None:
    world = World(size=6)
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    for name in ("n3", "n4", "n5", "n6"):
        world.edges[name].linked = False
    world.run(60)
    world.script.bad[world.status.digest or ""] = "low-confidence"
    world.until(lambda w: w.status.version == "v1")
    assert world.told("RolledBack") != []


def test_a_fault_is_not_cleared_by_silence(world: World) -> None:
    world.script.heal_locally = False
    world.script.sick["n3"] = "high-latency"
    world.until(lambda w: w.status.faults != ())
    world.edges["n3"].linked = False
    world.run(300)
    assert [(fault.name, fault.nodes) for fault in world.status.faults] == [("high-latency", ("n3",))]
    assert world.told("FaultCleared") == []
    world.script.sick.clear()
    world.edges["n3"].linked = True
    world.until(lambda w: w.status.faults == ())


def test_absent_telemetry_does_not_roll_back(world: World) -> None:
    world.script.telemetry = False
    world.script.heal_locally = False
    turn_bad(world, 2)
    world.run(900)
    assert world.status.version == "v2"
    assert world.condition("TelemetryFresh") == ("False", "Absent")


def test_a_heal_without_telemetry_is_not_called_proved(world: World) -> None:
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")
    world.script.telemetry = False
    world.run(900)
    assert actions(world) == [(ActionType.SWITCH_MODEL, Verdict.UNPROVED)]


@pytest.mark.shows("heal.prove", "ladder._prove")
def test_a_heal_without_traffic_is_not_called_proved(world: World) -> None:
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")
    world.script.requests = 0
    world.run(900)
    assert actions(world) == [(ActionType.SWITCH_MODEL, Verdict.UNPROVED)]


def test_a_heal_is_not_closed_before_its_rule_can_speak(world: World) -> None:
    world.edit(lambda spec: spec["health"].update(interval="10s"))
    world.edit(lambda spec: spec["health"]["rules"][0].update(window=60))
    turn_bad(world, 2)
    world.until(lambda w: w.status.version == "v1")
    world.script.verdicts = False
    world.run(600)
    assert actions(world) == [(ActionType.SWITCH_MODEL, None)]
    world.script.verdicts = True
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)], within=30)


def test_after_a_heal_that_nobody_could_judge_the_next_one_waits_and_says_so(world: World) -> None:
    world.wish_for("v3")
    world.until(lambda w: w.status.last_good == "v3")
    world.edit(lambda spec: spec["healing"].update(cooldown="20m"))
    turn_bad(world, 3)
    world.until(lambda w: w.status.version == "v2")
    world.script.requests = 0
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.UNPROVED)])
    world.script.requests, world.script.heal_locally = 10, False
    turn_bad(world, 2)
    world.until(lambda w: w.condition("Healing") == ("False", "Unproved"))
    world.until(lambda w: w.status.version == "v1", within=1200)


@pytest.mark.shows("blame._proved_before")
def test_drift_without_a_backup_blames_the_input_and_trains_a_successor(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.robust = {student(1)}
    lone.until(lambda w: w.status.faults != ())
    assert lone.status.faults[0].blame is Blame.INPUT
    lone.until(lambda w: w.status.version == "distilled-1", within=900)
    lone.run(60)
    assert lone.serving() == {"distilled-1"}
    assert actions(lone) == [(ActionType.REDISTILL, Verdict.PROVED)]
    assert len(lone.jobs) == 1
    assert {version.state for version in lone.status.versions} <= {VersionState.AVAILABLE, VersionState.SERVING}
    assert lone.status.last_good == "distilled-1"
    assert lone.status.faults == ()


def test_a_version_that_is_exonerated_and_serves_again_at_once_is_taken_by_nodes_that_had_left_it(world: World) -> None:
    world.script.sick |= dict.fromkeys(("n1", "n2"), "high-latency")
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    assert world.edges["n1"].refused.keys() == {digest(2)}
    world.script.sick |= dict.fromkeys(("n3", "n4"), "low-confidence")
    world.until(lambda w: w.state("v1") is VersionState.QUARANTINED)  # in the tick in which v2 is exonerated
    world.until(lambda w: w.serving() == {"v2"}, within=60)


def test_alerts_about_the_version_before_do_not_condemn_the_student_that_heals_it(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.robust = {student(1)}
    lone.until(lambda w: w.status.faults != ())
    old = Alert(fault="low-confidence", node="", since=lone.now, source="Alertmanager")
    alerts = [Notice(fingerprint=node, alert=replace(old, node=node), firing=True) for node in lone.edges]
    lone.notices.extend(alerts)  # Prometheus tells their end long after the canary has the student
    lone.until(lambda w: w.status.version == "distilled-1", within=900)
    assert lone.state("distilled-1") is VersionState.SERVING


def test_a_student_goes_to_a_canary_first(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.robust = {student(1)}
    lone.until(lambda w: "distilled-1" in w.serving(), within=900)
    assert sum("distilled-1" in edge.served for edge in lone.edges.values()) == 1


def test_a_student_that_does_not_help_is_quarantined_and_a_person_is_asked(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.until(lambda w: len(w.told("PersonNeeded")) == 1, within=900)
    assert lone.state("distilled-1") is VersionState.QUARANTINED
    assert sum("distilled-1" in edge.served for edge in lone.edges.values()) == 1
    lone.run(1200)
    assert actions(lone) == [(ActionType.REDISTILL, Verdict.FAILED), (ActionType.ALERT, None)]
    assert lone.condition("Healing") == ("False", "PersonAsked")


@pytest.mark.shows("blame._switched_in_vain", "distill.follow")
def test_drift_with_a_backup_exonerates_the_version_and_trains_a_successor(world: World) -> None:
    world.script.drift = "low-confidence"
    world.script.robust = {student(1)}
    world.until(lambda w: w.status.version == "distilled-1", within=1200)
    world.run(60)
    assert actions(world) == [(ActionType.SWITCH_MODEL, Verdict.FAILED), (ActionType.REDISTILL, Verdict.PROVED)]
    found = world.status.find_version("v2")
    assert found is not None
    assert (found.state, found.reason) == (VersionState.AVAILABLE, "Exonerated")
    assert len(world.jobs) == 1
    assert world.serving() == {"distilled-1"}


@pytest.mark.shows("distill.follow")
def test_a_rejected_student_ships_nothing_and_a_person_is_asked_next(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = REJECTED
    lone.until(lambda w: len(w.told("PersonNeeded")) == 1, within=900)
    lone.run(1200)
    assert all(edge.served == ["v1"] for edge in lone.edges.values())
    assert lone.status.distillation is not None
    assert lone.status.distillation.phase is DistillationPhase.REJECTED
    assert lone.status.distillation.message == "min_accuracy: want 0.9, got 0.4"
    assert actions(lone) == [(ActionType.REDISTILL, Verdict.FAILED), (ActionType.ALERT, None)]


def test_a_rejected_student_is_told_in_the_jobs_own_words(lone: World) -> None:
    said = "refused by min_accuracy: want 0.9, got 0.4; to be looked at it is oci://r/m:refused-1"
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = REJECTED.model_copy(update={"message": said})
    lone.until(lambda w: len(w.told("DistillationRejected")) == 1, within=900)
    assert lone.status.distillation is not None
    assert lone.status.distillation.message == said


@pytest.mark.parametrize(("outcome", "reason"), [(ERROR, "TeacherUnreadable"), (None, "NoResult")])
def test_a_job_that_fails_is_told_and_a_person_is_asked_next(lone: World, outcome: Outcome, reason: str) -> None:
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = outcome
    lone.until(lambda w: len(w.told("PersonNeeded")) == 1, within=900)
    assert lone.condition("Distilling") == ("False", "JobFailed")
    assert lone.status.distillation is not None
    assert lone.status.distillation.reason == reason


def test_a_result_that_comes_after_the_news_of_the_jobs_end_is_waited_for(lone: World) -> None:
    lone.script.drift, lone.script.robust = "low-confidence", {student(1)}
    lone.script.job_steps, lone.script.late_news = 0, 4
    lone.until(lambda w: w.status.version == "distilled-1", within=900)


def test_a_student_with_quarantined_bytes_is_not_shipped(lone: World) -> None:
    turn_bad(lone, 2)
    lone.wish_for("v2")
    lone.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    lone.run(60)
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = Outcome(code="Accepted", digest=digest(2))
    lone.until(lambda w: w.status.distillation is not None and w.status.distillation.reason == "KnownBad", within=900)
    lone.run(300)
    assert lone.serving() == {"v1"}


def test_absent_telemetry_starts_no_job(lone: World) -> None:
    lone.script.telemetry = False
    lone.script.drift = "low-confidence"
    lone.run(900)
    assert lone.jobs == []


def test_telemetry_that_ends_while_samples_are_gathered_starts_no_job(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.edit(lambda spec: spec["healing"]["strategies"][0]["actions"][1].pop("samples"))
    lone.script.telemetry = True
    lone.edit(lambda spec: spec["healing"]["strategies"][0]["actions"][1].update(samples=5000))
    lone.until(lambda w: w.condition("Distilling") == ("True", "WaitingForSamples"))
    lone.script.telemetry = False
    lone.run(60)
    lone.edit(lambda spec: spec["healing"]["strategies"][0]["actions"][1].pop("samples"))
    lone.run(300)
    assert lone.jobs == []


@pytest.mark.shows("findings.distilling")
def test_training_waits_until_there_are_enough_samples(lone: World) -> None:
    lone.edit(lambda spec: spec["healing"]["strategies"][0]["actions"][1].update(samples=200))
    lone.script.drift = "low-confidence"
    lone.until(lambda w: w.condition("Distilling") == ("True", "WaitingForSamples"))
    assert lone.jobs == []
    lone.until(lambda w: w.jobs != [])
    assert sum(edge.samples for edge in lone.edges.values()) >= 200


def test_samples_that_do_not_come_are_waited_for_only_so_long(lone: World) -> None:
    lone.edit(lambda spec: spec["healing"]["strategies"][0]["actions"][1].update(samples=5000))
    lone.edit(lambda spec: spec["distillation"].update(sampleDeadline="10m"))
    lone.script.drift = "low-confidence"
    lone.until(lambda w: w.condition("Distilling") == ("True", "WaitingForSamples"))
    began = lone.now
    lone.step()
    distilling = lone.status.condition("Distilling")
    assert distilling is not None
    assert "of 5000 edge samples; they are waited for until 00:" in distilling.message
    lone.until(lambda w: w.condition("Distilling") == ("False", "TooFewSamples"), within=900)
    assert (lone.now - began).total_seconds() >= 590
    lone.until(lambda w: len(w.told("PersonNeeded")) == 1)
    assert actions(lone) == [(ActionType.REDISTILL, Verdict.FAILED), (ActionType.ALERT, None)]
    assert lone.jobs == []


def test_a_new_wish_wins_over_a_distillation(lone: World) -> None:
    lone.script.job_steps = 1000
    lone.script.drift = "low-confidence"
    lone.until(lambda w: w.live_jobs != [])
    lone.script.robust = {digest(3)}
    lone.wish_for("v3")
    lone.until(lambda w: w.serving() == {"v3"})
    assert lone.live_jobs == []
    assert lone.status.distillation is not None
    assert lone.status.distillation.reason == "Superseded"


def test_a_job_that_somebody_deleted_is_made_again_under_its_name(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.until(lambda w: w.live_jobs != [])
    (name,) = lone.jobs
    lone.remove("Job", name)
    lone.until(lambda w: w.live_jobs == [name], within=30)


@pytest.mark.shows("ladder._climb", "findings_healing.healing")
def test_a_heal_is_not_repeated_before_the_cooldown(world: World) -> None:
    turn_bad(world, 2)
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    world.edit(lambda spec: spec["healing"].update(cooldown="10m"))
    world.edit(lambda spec: spec.update(backup="v3", version="v1"))
    turn_bad(world, 1)
    world.run(300)
    assert world.condition("Healing") == ("False", "CoolingDown")
    world.until(lambda w: w.status.version == "v3", within=600)


def test_a_fault_that_nobody_reports_any_more_is_not_acted_upon(world: World) -> None:
    world.edit(lambda spec: spec["healing"].update(cooldown="5m"))
    turn_bad(world, 2)
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    world.edit(lambda spec: spec.update(backup="v3", version="v1"))
    turn_bad(world, 1)
    world.until(lambda w: w.condition("Healing") == ("False", "CoolingDown"))
    for edge in world.edges.values():
        edge.linked = False
    world.run(900)
    assert world.status.version == "v1"


@pytest.mark.shows("ladder._climb")
def test_no_more_heals_than_allowed_in_an_hour(world: World) -> None:
    world.edit(lambda spec: spec["healing"].update(maxPerHour=1))
    turn_bad(world, 2)
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    world.edit(lambda spec: spec.update(backup="v3", version="v1"))
    turn_bad(world, 1)
    world.run(1200)
    assert world.status.version == "v1"
    assert world.condition("Healing") == ("False", "TooManyHeals")


def test_a_fault_that_comes_back_long_after_a_failed_heal_is_healed_anew(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = REJECTED
    lone.until(lambda w: len(w.told("PersonNeeded")) == 1, within=900)
    lone.script.drift = ""
    lone.run(600)
    lone.script.drift = "low-confidence"
    lone.script.robust = {student(2)}
    lone.until(lambda w: w.serving() == {"distilled-2"}, within=1200)


def test_a_later_version_is_rolled_back_although_an_earlier_switch_did_not_help(world: World) -> None:
    world.edit(lambda spec: spec["healing"].update(strategies=[spec["healing"]["strategies"][1]]))
    world.script.drift = "high-latency"
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.FAILED)])
    world.script.drift = ""
    world.run(600)
    world.wish_for("v3")
    world.until(lambda w: w.status.version == "v3")
    world.run(600)
    turn_bad(world, 3, "high-latency")
    world.until(lambda w: w.status.version != "v3")


@pytest.mark.shows("findings.degraded")
def test_the_model_is_called_degraded_while_a_critical_fault_is_active(lone: World) -> None:
    lone.script.drift = "low-confidence"
    lone.script.outcomes[1] = REJECTED
    lone.until(lambda w: w.condition("Degraded") == ("True", "InputBlamed"))


def test_a_student_does_not_take_the_name_of_a_version_of_the_spec(lone: World) -> None:
    lone.edit(lambda spec: spec["versions"].append(artifact("distilled-1", 77)))
    lone.script.drift = "low-confidence"
    lone.script.robust = {student(2)}
    lone.until(lambda w: w.serving() == {"distilled-2"}, within=900)
