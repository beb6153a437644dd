"""What people ask for by annotation: done once, answered in the status, and carried to the nodes."""

import pytest

from edgemodel import verbs
from edgemodel.verbs import Asked, Verb
from edgemodel_operator.api.answers import VerbAnswer
from edgemodel_operator.api.states import DistillationPhase, VerbResult, VersionState
from edgemodel_operator.api.status import VERBS_KEPT
from tests.unit.operator.script import Lie
from tests.unit.operator.world import World, digest, student


class Plant(World):
    """A world in which people ask."""

    @property
    def answer(self) -> VerbAnswer:
        """The newest answer."""
        return self.status.verbs[-1]


@pytest.fixture
def plant() -> Plant:
    """v2 serves everywhere and was proved good, v1 before it."""
    plant = Plant()
    plant.until(lambda w: w.status.last_good == "v1")
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    return plant


@pytest.fixture
def quarantined(plant: Plant) -> Plant:
    """v2 turned bad, v1 serves and was proved, v2 would be good again."""
    plant.script.bad[digest(2)] = "high-latency"
    plant.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    plant.script.bad.clear()
    plant.until(lambda w: w.serving() == {"v1"} and w.told("HealProved") != [])
    return plant


def test_a_cleared_version_that_is_still_wished_is_rolled_out_again(quarantined: Plant) -> None:
    quarantined.annotate(clear_quarantine="v2@monday")
    quarantined.until(lambda w: w.status.version == "v2")
    assert quarantined.state("v2") is VersionState.SERVING
    assert quarantined.answer.result is VerbResult.DONE
    assert quarantined.answer.message == "v2 may serve again and is rolled out: spec.version names it"
    assert len(quarantined.told("VerbCarriedOut")) == 1


def test_a_cleared_version_goes_to_a_canary_first(quarantined: Plant) -> None:
    served = {name: len(edge.served) for name, edge in quarantined.edges.items()}
    quarantined.annotate(clear_quarantine="v2")
    quarantined.until(lambda w: "v2" in w.serving())
    assert sum(len(edge.served) > served[name] for name, edge in quarantined.edges.items()) == 1


def test_what_nodes_said_before_they_read_of_the_clearing_condemns_nothing_anew(plant: Plant) -> None:
    plant.script.heal_locally = False
    plant.script.bad[digest(2)] = "high-latency"
    plant.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    plant.script.lies = dict.fromkeys(plant.edges, Lie.STALE)  # each goes on to say: v2, high-latency
    plant.annotate(clear_quarantine="v2")
    plant.run(60)
    assert plant.state("v2") is VersionState.CANARY


def test_nodes_are_told_what_was_cleared_for_as_long_as_it_is(quarantined: Plant) -> None:
    quarantined.edges["n4"].linked = False
    quarantined.annotate(clear_quarantine="v2")
    quarantined.until(lambda w: w.status.version == "v2")
    quarantined.run(120)
    assert digest(2) in quarantined.edges["n4"].refused
    quarantined.edges["n4"].linked = True
    quarantined.until(lambda w: w.serving() == {"v2"})
    assert quarantined.wish is not None
    assert quarantined.wish.cleared == (digest(2),)


def test_what_was_cleared_and_fails_again_is_quarantined_again(quarantined: Plant) -> None:
    quarantined.script.bad[digest(2)] = "high-latency"
    quarantined.script.heal_locally = False
    quarantined.annotate(clear_quarantine="v2")
    quarantined.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    assert quarantined.wish is not None
    assert (quarantined.wish.refused, quarantined.wish.cleared) == ((digest(2),), ())
    quarantined.run(300)
    assert quarantined.serving() == {"v1"}


@pytest.mark.shows("verbs.carry_out")
def test_the_same_annotation_acts_once_and_another_token_again(quarantined: Plant) -> None:
    quarantined.script.bad[digest(2)] = "high-latency"
    quarantined.annotate(clear_quarantine="v2@1")
    quarantined.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    quarantined.annotate(clear_quarantine=None)
    quarantined.annotate(clear_quarantine="v2@1")
    quarantined.run(60)
    assert quarantined.state("v2") is VersionState.QUARANTINED
    quarantined.annotate(clear_quarantine="v2@2")
    assert quarantined.state("v2") is not VersionState.QUARANTINED


def test_an_operator_that_restarts_does_not_act_again(quarantined: Plant) -> None:
    quarantined.annotate(clear_quarantine="v2@1")
    quarantined.restart()
    quarantined.run(60)
    assert len(quarantined.status.verbs) == 1


def test_a_version_that_is_not_barred_needs_no_clearing(plant: Plant) -> None:
    plant.annotate(clear_quarantine="v1")
    assert (plant.answer.result, plant.answer.message) == (
        VerbResult.REFUSED,
        "v1 is Available: there is nothing to clear",
    )


def test_what_one_node_refused_by_itself_is_cleared_there(plant: Plant) -> None:
    plant.script.sick["n3"] = "high-latency"
    plant.until(lambda w: digest(2) in w.edges["n3"].refused)
    plant.script.sick.clear()
    plant.annotate(clear_quarantine="v2")
    assert plant.answer.message == "v2 may serve again on n3"
    plant.until(lambda w: w.serving() == {"v2"})
    assert plant.status.rollout is None


@pytest.mark.parametrize("verb", ["clear_quarantine", "rollback_to"])
def test_an_unknown_version_is_answered_with_those_there_are(plant: Plant, verb: str) -> None:
    before = plant.status
    plant.annotate(**{verb: "v9@x"})
    assert plant.answer == VerbAnswer(
        verb=Verb(verb.replace("_", "-")),
        argument="v9",
        token="x",
        at=plant.now,
        result=VerbResult.REFUSED,
        message="want one of v1, v2, v3, got 'v9'",
    )
    assert plant.status.model_copy(update={"verbs": ()}) == before
    assert len(plant.told("VerbRefused")) == 1


def test_a_person_rolls_back_and_nobody_is_blamed(plant: Plant) -> None:
    plant.annotate(rollback_to="v1")
    plant.until(lambda w: w.serving() == {"v1"})
    plant.run(300)
    assert plant.serving() == {"v1"}
    assert plant.state("v2") is VersionState.AVAILABLE
    assert plant.answer.message == "v2 → v1 on every node at once"


def test_a_rollback_wins_over_the_rollout_under_way(plant: Plant) -> None:
    plant.wish_for("v3")
    plant.until(lambda w: "v3" in w.serving())
    plant.annotate(rollback_to="v2")
    assert plant.answer.message == "v2 goes on to serve; the rollout of v3 has ended"
    plant.until(lambda w: w.serving() == {"v2"})
    plant.run(300)
    assert (plant.status.rollout, plant.state("v3"), plant.serving()) == (None, VersionState.AVAILABLE, {"v2"})


def test_a_new_wish_wins_over_an_old_rollback(plant: Plant) -> None:
    plant.annotate(rollback_to="v1")
    plant.wish_for("v3")
    plant.until(lambda w: w.serving() == {"v3"})
    plant.run(60)
    assert plant.serving() == {"v3"}


def test_nobody_rolls_back_to_what_is_barred(quarantined: Plant) -> None:
    quarantined.annotate(rollback_to="v2")
    assert quarantined.answer.message == "v2 is Quarantined (high-latency): clear-quarantine comes first"
    quarantined.run(60)
    assert quarantined.serving() == {"v1"}


def test_a_person_starts_a_distillation_without_any_fault(plant: Plant) -> None:
    plant.annotate(redistill="monday")
    assert plant.answer.result is VerbResult.DONE
    assert len(plant.live_jobs) == 1
    plant.until(lambda w: w.status.version == "distilled-1")
    assert plant.status.heals == ()
    assert plant.status.distillation is not None
    assert plant.status.distillation.phase is DistillationPhase.ACCEPTED
    assert plant.status.digest == student(1)


def wish_and_redistill(plant: Plant, version: str) -> None:
    """One apply of both."""
    plant.down = 1
    plant.wish_for(version)
    plant.annotate(redistill=version)


def test_a_student_that_is_asked_for_together_with_a_version_is_trained_for_that_one(plant: Plant) -> None:
    wish_and_redistill(plant, "v3")
    plant.until(lambda w: w.jobs != [])
    (job,) = (body for (kind, _), body in plant.objects.items() if kind == "Job")
    assert digest(3) in str(job["spec"]["template"]["spec"]["containers"][0]["env"])
    plant.until(lambda w: w.status.version == "v3")
    plant.until(lambda w: w.status.version == "distilled-1")
    assert plant.answer.result is VerbResult.DONE
    assert plant.told("DistillationFailed") == []


def test_a_student_under_way_ends_with_the_wish_that_another_one_is_asked_for_with(plant: Plant) -> None:
    plant.script.job_steps = 1000
    plant.annotate(redistill="1")
    plant.script.job_steps = 3
    wish_and_redistill(plant, "v3")
    plant.until(lambda w: w.status.version == "distilled-2")
    assert plant.answer.result is VerbResult.DONE


def test_a_wish_that_comes_later_ends_the_distillation(plant: Plant) -> None:
    plant.annotate(redistill="1")
    plant.wish_for("v3")
    plant.until(lambda w: w.status.version == "v3")
    assert plant.status.distillation is not None
    assert plant.status.distillation.reason == "Superseded"
    plant.run(300)
    assert plant.serving() == {"v3"}


def test_a_second_redistill_waits_for_nobody_and_is_refused(plant: Plant) -> None:
    plant.annotate(redistill="1")
    plant.annotate(redistill="2")
    assert plant.answer.message == "distilled-1 is being distilled already"
    assert len(plant.jobs) == 1


def test_without_a_teacher_nothing_is_distilled(plant: Plant) -> None:
    def without(spec: dict[str, object]) -> None:
        del spec["distillation"]
        spec["healing"] = {}

    plant.edit(without)
    plant.annotate(redistill="1")
    assert plant.answer.message == "spec.distillation is not set: it says what to train from"
    assert plant.jobs == []


def test_a_fleet_is_rolled_back_while_a_person_has_a_student_trained(plant: Plant) -> None:
    plant.script.job_steps = 1000
    plant.annotate(redistill="1")
    plant.script.bad[digest(2)] = "high-latency"
    plant.until(lambda w: w.status.version == "v1")
    plant.until(lambda w: w.told("HealProved") != [])
    assert len(plant.live_jobs) == 1


@pytest.mark.shows("findings_people.paused")
def test_while_paused_nothing_is_decided_and_faults_are_told(plant: Plant) -> None:
    plant.annotate(pause="maintenance")
    plant.script.heal_locally = False
    plant.script.bad[digest(2)] = "high-latency"
    plant.wish_for("v3")
    plant.run(300)
    assert plant.serving() == {"v2"}
    assert plant.condition("Paused") == ("True", "PausedByPerson")
    assert [fault.name for fault in plant.status.faults] == ["high-latency"]
    assert plant.status.observed_generation < plant.model["metadata"]["generation"]


def test_what_was_wished_while_paused_is_done_afterwards(plant: Plant) -> None:
    plant.annotate(pause="")
    plant.wish_for("v3")
    plant.run(60)
    plant.annotate(pause=None)
    assert plant.condition("Paused") == ("", "")
    plant.until(lambda w: w.serving() == {"v3"})
    assert plant.status.observed_generation == plant.model["metadata"]["generation"]


def test_what_is_asked_while_paused_is_answered_afterwards(plant: Plant) -> None:
    plant.annotate(pause="")
    plant.annotate(rollback_to="v1")
    plant.run(60)
    assert (plant.status.verbs, plant.serving()) == ((), {"v2"})
    plant.annotate(pause=None)
    plant.until(lambda w: w.serving() == {"v1"})


def test_pause_false_does_not_pause(plant: Plant) -> None:
    plant.annotate(pause="false")
    plant.wish_for("v3")
    plant.until(lambda w: w.serving() == {"v3"})


def test_an_edgemodel_that_is_born_paused_has_no_children_before_it_is_resumed() -> None:
    plant = Plant()
    plant.annotate(pause="")
    plant.run(60)
    assert plant.children == []
    assert plant.status.observed_generation == -1
    plant.annotate(pause=None)
    plant.until(lambda w: w.serving() == {"v1"})


def test_answers_are_bounded_and_one_whose_annotation_is_still_there_is_kept(plant: Plant) -> None:
    plant.annotate(rollback_to="v1@once")
    for number in range(VERBS_KEPT + 5):
        plant.annotate(redistill=f"{number}", clear_quarantine=f"v9@{number}")
    assert len(plant.status.verbs) == VERBS_KEPT
    assert [a.token for a in plant.status.verbs if a.verb is Verb.ROLLBACK_TO] == ["once"]


@pytest.mark.parametrize(
    ("annotation", "value", "wanted"),
    [
        ("rollback-to", "v1", Asked(Verb.ROLLBACK_TO, "v1", "")),
        ("rollback-to", "v1@a@b", Asked(Verb.ROLLBACK_TO, "v1", "a@b")),
        ("rollback-to", "", Asked(Verb.ROLLBACK_TO, "", "")),
        ("redistill", "2026-01-01T00:00Z", Asked(Verb.REDISTILL, "", "2026-01-01T00:00Z")),
        ("redistill", "@x", Asked(Verb.REDISTILL, "", "x")),
        ("clear-quarantine", "x" * 5000, Asked(Verb.CLEAR_QUARANTINE, "x" * 100, "")),
    ],
)
def test_a_value_is_an_argument_and_a_token(annotation: str, value: str, wanted: Asked) -> None:
    assert verbs.asked({verbs.PREFIX + annotation: value, "other": "x"}) == (wanted,)


def test_what_is_written_is_what_is_read() -> None:
    for wanted in (Asked(Verb.ROLLBACK_TO, "v1", "t"), Asked(Verb.REDISTILL, "", "t")):
        assert verbs.asked({verbs.annotation(wanted.verb): wanted.value}) == (wanted,)


def test_a_person_sends_a_version_on_before_its_step_has_held(plant: Plant) -> None:
    plant.script.requests = 0
    plant.wish_for("v3")
    plant.until(lambda w: "v3" in w.serving())
    plant.annotate(promote="all@1")
    assert (plant.answer.result, plant.answer.message) == (VerbResult.DONE, "v3 goes on to every node")
    plant.until(lambda w: w.serving() == {"v3"})


def test_a_version_that_was_promoted_is_still_taken_back_where_it_fails(plant: Plant) -> None:
    plant.script.heal_locally = False
    plant.script.bad[digest(3)] = "high-latency"
    plant.wish_for("v3")
    plant.until(lambda w: "v3" in w.serving())
    plant.annotate(promote="all@1")
    plant.until(lambda w: w.state("v3") is VersionState.QUARANTINED)
    plant.until(lambda w: w.serving() == {"v2"})


@pytest.mark.parametrize(
    ("verb", "value", "message"),
    [
        ("promote", "all@1", "no version is on its way"),
        ("promote", "v3@1", "want next (step) or all (nodes), got 'v3'"),
        ("approve", "@1", "nothing waits for a person"),
        ("reject", "v2@1", "nothing waits for a person"),
    ],
)
def test_what_there_is_nothing_to_say_about_is_refused(plant: Plant, verb: str, value: str, message: str) -> None:
    plant.annotate(**{verb: value})
    assert (plant.answer.result, plant.answer.message) == (VerbResult.REFUSED, message)
