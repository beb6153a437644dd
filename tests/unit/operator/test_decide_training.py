"""What a Job says of its progress goes into the status: in steps, for its own attempt only, never backwards."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from edgemodel_operator.api.reasons import ConditionType, Reason
from edgemodel_operator.api.states import DistillationPhase
from edgemodel_operator.api.status import DistillationStatus, Status
from edgemodel_operator.decide import decide, distill, findings
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.naming import DISTILLING, LABEL_COMPONENT
from edgemodel_operator.model.observation import Job, Observation, Training
from edgemodel_operator.model.plan import Action, Create, Delete, Ensure
from edgemodel_operator.render.children import stamp
from edgemodel_operator.render.workers import render_meeting_place
from edgemodel_operator.render.workload import render_service
from tests.unit.operator.plant import IMAGES, digest
from tests.unit.operator.test_operator_children import model
from tests.unit.operator.world import SPEC

Body = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATUS = DistillationStatus(
    phase=DistillationPhase.RUNNING, job="digits-distill-2", attempt=2, candidate="distilled-2", percent=40, epoch=4
)
PENDING = STATUS.model_copy(update={"phase": DistillationPhase.PENDING, "percent": 0, "epoch": 0})
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


# A pod that does not start

CLAIM = "PersistentVolumeClaim kept of spec.distillation.checkpoints"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ('0/1 nodes are available: persistentvolumeclaim "kept" not found.', f"{{}}; it needs {CLAIM}"),
        ("pod has unbound immediate PersistentVolumeClaims", f"{{}}; it needs {CLAIM}"),
        ("ContainerCreating", f"{{}}; it needs {CLAIM}"),
        ("ImagePullBackOff", "{}"),
        ("0/1 nodes are available: 1 Insufficient memory.", "{}"),
    ],
)
def test_what_a_jobs_pod_waits_for_is_told_with_the_claim_where_it_may_be_that(why: str, told: str) -> None:
    keeping = copy.deepcopy(SPEC["distillation"]) | {"checkpoints": {"claim": "kept"}}
    job = replace(JOB, running=False, waiting=why)
    observation = Observation(now=NOW, model=model(distillation=keeping), jobs=(job,))
    status = distill.follow(observation, Draft(status=Status(distillation=PENDING))).status
    assert status.distillation is not None
    assert status.distillation.message == f"{JOB.name} waits: {told.format(why)}"
    assert findings.distilling(status) == (
        ConditionType.DISTILLING,
        True,
        Reason.JOB_PENDING,
        f"distilled-2: {status.distillation.message}",
    )


def test_once_it_runs_nothing_is_waited_for() -> None:
    waited = PENDING.model_copy(update={"message": "digits-distill-2 waits: ContainerCreating"})
    distillation = followed(None, waited)
    assert distillation is not None
    assert (distillation.phase, distillation.message) == (DistillationPhase.RUNNING, None)


# Several workers


def acted(workers: int, status: DistillationStatus, *children: Body, jobs: tuple[Job, ...] = ()) -> list[Action]:
    """What is done about Job and Service."""
    there = model(distillation=copy.deepcopy(SPEC["distillation"]) | {"workers": workers})
    there = there.model_copy(
        update={"status": Status(version="v1", wished=digest(1), digest=digest(1), distillation=status)}
    )
    by_name = {(child["kind"], child["metadata"]["name"]): child for child in children}
    plan = decide(Observation(now=NOW, model=there, jobs=jobs, children=by_name), IMAGES)
    return [
        action
        for action in plan.actions
        if (isinstance(action, Delete) and action.kind in {"Job", "Service"})
        or (isinstance(action, Create | Ensure) and action.object["metadata"]["labels"][LABEL_COMPONENT] == DISTILLING)
    ]


def place() -> Body:
    return stamp(render_meeting_place(model(), "digits-distill-2"))


def kinds(actions: list[Action]) -> list[str]:
    return [f"{type(a).__name__} {a.kind if isinstance(a, Delete) else a.object['kind']}" for a in actions]  # type: ignore[union-attr]  # no others here


def test_workers_have_a_service_before_they_have_a_job() -> None:
    assert kinds(acted(2, PENDING)) == ["Ensure Service", "Create Job"]


def test_one_worker_has_no_service() -> None:
    assert kinds(acted(1, PENDING)) == ["Create Job"]


def test_a_running_job_keeps_the_service_that_it_began_with_whatever_the_spec_asks_now() -> None:
    assert acted(1, STATUS, place(), jobs=(replace(JOB, workers=2),)) == []
    assert acted(2, STATUS, jobs=(JOB,)) == []


def test_the_service_goes_when_the_distillation_is_over() -> None:
    over = STATUS.model_copy(update={"phase": DistillationPhase.FAILED})
    finished = replace(JOB, workers=2, running=False, finished=True)
    assert acted(2, over, place(), jobs=(finished,)) == [Delete("Service", "digits-distill-2")]


def test_the_callers_service_is_left_alone() -> None:
    serving = stamp(render_service(model()))
    assert acted(1, STATUS, serving, jobs=(JOB,)) == []
