"""What the operator tells a distillation Job is what its program reads."""

from pathlib import Path

from edgemodel_distill.config import PORT, Settings
from edgemodel_operator.render import workers
from edgemodel_operator.render.job import render_job
from tests.unit.operator.test_operator_children import ATTEMPT, UID, keeping


def told(count: int, **own: str) -> Settings:
    """The settings of a worker, where `own` are the variables that only the cluster can fill in."""
    (container,) = render_job(keeping(count), "image", ATTEMPT)["spec"]["template"]["spec"]["containers"]
    return Settings.read({each["name"]: each.get("value", "") for each in container["env"]} | own)


def test_the_folder_that_outlives_a_pod_is_read() -> None:
    settings = told(1)
    assert settings.checkpoints == Path(f"/checkpoints/{UID}/distilled-3")
    assert settings.work not in (None, settings.checkpoints)


def test_a_workers_place_is_read() -> None:
    post = told(3, RANK="2").post
    assert (post.rank, post.workers, post.port) == (2, 3, workers.PORT)
    assert post.leader
    assert workers.PORT == PORT
