"""Backup and quarantine: what was proved last is gone back to, what failed stays out, and a person's wish wins."""

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.states import VersionState
from tests.unit.operator.test_decide_verbs import Plant
from tests.unit.operator.world import artifact, digest

FAULTS = ("low-confidence", "high-latency")


@pytest.fixture
def plant() -> Plant:
    """v2 serves everywhere and was proved good, v1 before it."""
    plant = Plant(size=2)
    plant.until(lambda w: w.status.last_good == "v1")
    plant.wish_for("v2")
    plant.until(lambda w: w.status.last_good == "v2")
    return plant


def degraded(plant: Plant) -> tuple[str, str, str]:
    found = plant.status.condition("Degraded")
    assert found is not None
    return found.status, found.reason, found.message


def test_the_last_good_version_is_the_last_one_that_was_proved(plant: Plant) -> None:
    plant.script.requests = 0
    plant.wish_for("v3")
    plant.run(900)
    assert plant.status.last_good == "v2"
    plant.script.requests = 10
    plant.until(lambda w: w.status.last_good == "v3")


def test_with_nothing_to_fall_back_to_it_says_so_and_goes_on_serving() -> None:
    plant = Plant(size=2)
    plant.script.bad[digest(1)] = FAULTS[1]
    plant.until(lambda w: w.condition("Healing") == ("False", "NoBackup"))
    plant.run(900)
    assert plant.serving() == {"v1"}
    assert plant.state("v1") is VersionState.SERVING
    (told,) = plant.told("PersonNeeded")
    assert "nothing was proved good to fall back to; v1 goes on serving" in told


def test_two_bad_versions_are_not_gone_back_and_forth_between(plant: Plant) -> None:
    plant.script.heal_locally = False
    for round_ in range(8):
        plant.script.drift = FAULTS[round_ % 2]
        plant.run(600)
    switches = [heal for heal in plant.status.heals if heal.action is ActionType.SWITCH_MODEL]
    assert len(switches) <= len(FAULTS)
    assert all(heal.verdict is Verdict.FAILED for heal in switches)


def test_quarantine_outlives_the_operator_and_a_spec_that_is_applied_again(plant: Plant) -> None:
    plant.script.bad[digest(2)] = FAULTS[1]
    plant.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    plant.script.bad.clear()
    for change in ({"threads": 2}, {"threads": 1}):
        plant.restart()
        plant.edit(lambda spec, change=change: spec["serving"].update(change))
        plant.run(300)
    assert (plant.serving(), plant.state("v2")) == ({"v1"}, VersionState.QUARANTINED)


def test_a_quarantined_digest_stays_out_under_another_name(plant: Plant) -> None:
    plant.script.bad[digest(2)] = FAULTS[1]
    plant.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    plant.script.bad.clear()
    plant.edit(lambda spec: spec["versions"].append(artifact("v2-again", 2)))
    plant.wish_for("v2-again")
    plant.run(300)
    assert (plant.serving(), plant.state("v2-again")) == ({"v1"}, VersionState.QUARANTINED)


def test_after_a_rollback_by_a_person_the_wish_that_does_not_serve_is_told(plant: Plant) -> None:
    plant.annotate(rollback_to="v1")
    plant.until(lambda w: w.serving() == {"v1"})
    status, reason, message = degraded(plant)
    assert (status, reason) == ("True", "BackupServing")
    assert message.startswith("v1 serves instead of v2, which was left")
    plant.annotate(rollback_to="v2")
    plant.until(lambda w: w.serving() == {"v2"})
    assert degraded(plant)[:2] == ("False", "NoFault")


def test_while_the_wish_is_rolled_out_nothing_is_called_degraded(plant: Plant) -> None:
    plant.wish_for("v3")
    plant.until(lambda w: "v3" in w.serving())
    assert plant.condition("Degraded")[0] != "True"


def test_the_same_artifact_under_another_name_goes_on_its_way_under_that_one(plant: Plant) -> None:
    plant.edit(lambda spec: spec["versions"].append(artifact("v3-final", 3)))
    plant.wish_for("v3")
    plant.until(lambda w: "v3" in w.serving())
    plant.wish_for("v3-final")
    plant.until(lambda w: w.status.version == "v3-final")
    assert len(plant.told("RolloutStarted")) == 2
    assert (plant.state("v3-final"), plant.state("v3")) == (VersionState.SERVING, VersionState.AVAILABLE)


def test_what_serves_takes_the_name_that_it_is_wished_under(plant: Plant) -> None:
    plant.edit(lambda spec: spec["versions"].append(artifact("v2-final", 2)))
    plant.wish_for("v2-final")
    plant.until(lambda w: w.status.version == "v2-final")
    assert plant.status.rollout is None
    assert plant.status.last_good in {"v2", "v2-final"}


def test_a_version_whose_name_is_given_away_while_another_is_on_its_way_goes_on_to_serve(plant: Plant) -> None:
    plant.wish_for("v3")
    plant.until(lambda w: w.status.rollout is not None)
    plant.script.telemetry = False
    plant.edit(lambda spec: spec["versions"][1].update(digest=digest(5)))
    plant.run(120)
    assert plant.status.digest == digest(2)
    assert plant.status.version == "v2-00000002"


@pytest.mark.shows("wish.restart_analysis")
def test_a_rollout_whose_rules_are_changed_is_judged_anew(plant: Plant) -> None:
    plant.wish_for("v3")
    plant.until(lambda w: w.status.rollout is not None and w.status.rollout.held_since is not None)
    plant.edit(lambda spec: spec["health"]["rules"][0].update(threshold=0.8))
    plant.step()
    rollout = plant.status.rollout
    assert rollout is not None
    assert (rollout.step, rollout.since) == (0, plant.now)
    assert "step 1 begins anew" in plant.told("RolloutAdvanced")[-1]
    plant.until(lambda w: w.serving() == {"v3"})


def test_a_rollout_goes_on_where_something_else_in_the_spec_is_changed(plant: Plant) -> None:
    plant.wish_for("v3")
    plant.until(lambda w: w.status.rollout is not None and w.status.rollout.held_since is not None)
    held_since = plant.status.rollout and plant.status.rollout.held_since
    plant.edit(lambda spec: spec["serving"].update(cacheSize="200Mi"))
    plant.step()
    assert plant.status.rollout is not None
    assert plant.status.rollout.held_since == held_since


def test_a_new_wish_wins_over_a_heal_that_is_under_proof(plant: Plant) -> None:
    plant.script.bad[digest(2)] = FAULTS[1]
    plant.until(lambda w: w.status.version == "v1")
    plant.wish_for("v3")
    plant.until(lambda w: w.serving() == {"v3"})
    assert [heal.verdict for heal in plant.status.heals] == [Verdict.UNPROVED]


def test_a_node_that_refuses_a_cleared_version_again_can_be_cleared_again(plant: Plant) -> None:
    for token in ("1", "2"):
        plant.script.sick["n2"] = FAULTS[1]
        plant.until(lambda w: digest(2) in w.edges["n2"].refused)
        plant.script.sick.clear()
        plant.run(60)
        assert digest(2) in plant.edges["n2"].refused
        plant.annotate(clear_quarantine=f"v2@{token}")
        assert plant.answer.message == "v2 may serve again on n2"
        plant.until(lambda w: w.serving() == {"v2"})
