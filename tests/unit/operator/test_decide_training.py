"""What a Job says of its progress goes into the status: in steps, for its own attempt only, never backwards."""

from datetime import UTC, datetime

import pytest

from edgemodel_operator.api.states import DistillationPhase
from edgemodel_operator.api.status import DistillationStatus, Status
from edgemodel_operator.decide import distill
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Job, Observation, Training
from tests.unit.operator.test_operator_children import model

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATUS = DistillationStatus(
    phase=DistillationPhase.RUNNING, job="digits-distill-2", attempt=2, candidate="distilled-2", percent=40, epoch=4
)
JOB = Job(name="digits-distill-2", attempt=2, running=True, finished=False, failed=False, outcome=None)


def followed(training: Training | None, status: DistillationStatus = STATUS) -> DistillationStatus | None:
    observation = Observation(now=NOW, model=model(), jobs=(JOB,), training=training)
    return distill.follow(observation, Draft(status=Status(distillation=status))).status.distillation


@pytest.mark.parametrize(
    ("candidate", "percent", "shown"),
    [("distilled-2", 45, 45), ("distilled-2", 44, 40), ("distilled-2", 10, 40), ("distilled-1", 100, 40)],
    ids=["a step", "less than a step", "backwards", "of another attempt"],
)
def test_progress_is_shown(candidate: str, percent: int, shown: int) -> None:
    distillation = followed(Training(candidate=candidate, epoch=9, percent=percent))
    assert distillation is not None
    assert (distillation.percent, distillation.epoch) == (shown, 9 if shown == percent else 4)


def test_a_job_that_says_nothing_runs_all_the_same() -> None:
    distillation = followed(None, STATUS.model_copy(update={"phase": DistillationPhase.PENDING}))
    assert distillation is not None
    assert (distillation.phase, distillation.percent) == (DistillationPhase.RUNNING, 40)
