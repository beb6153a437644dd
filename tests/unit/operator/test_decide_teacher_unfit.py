"""A teacher that cannot help is shown with its numbers, and a person is asked instead of trying for ever."""

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel.outcome import Gate, Outcome
from edgemodel_operator.api.states import DistillationPhase
from tests.unit.operator.world import World

UNFIT = Outcome(
    code="TeacherUnfit",
    message="the teacher does not know the edge's samples: minTeacherConfidence: want 0.6, got 0.47",
    gates=(Gate(name="minTeacherConfidence", want=0.6, got=0.47, passed=False),),
)


@pytest.fixture
def asked() -> World:
    """The input drifted, the Job said TeacherUnfit, and a person was asked."""
    world = World()
    world.until(lambda w: w.status.last_good == "v1")
    world.script.outcomes[1] = UNFIT
    world.script.drift = "low-confidence"
    world.until(lambda w: len(w.told("PersonNeeded")) == 1, within=900)
    return world


def test_the_status_names_the_code_and_its_numbers(asked: World) -> None:
    distillation = asked.status.distillation
    assert distillation is not None
    assert (distillation.phase, distillation.reason) == (DistillationPhase.FAILED, "TeacherUnfit")
    assert "want 0.6, got 0.47" in (distillation.message or "")


def test_the_ladder_waits_for_the_person_and_starts_no_other_job(asked: World) -> None:
    jobs = len(asked.jobs)
    asked.run(2 * 3600)
    assert len(asked.jobs) == jobs
    assert len(asked.told("PersonNeeded")) == 1
    heals = [(heal.action, heal.verdict) for heal in asked.status.heals]
    assert heals == [(ActionType.REDISTILL, Verdict.FAILED), (ActionType.ALERT, None)]
