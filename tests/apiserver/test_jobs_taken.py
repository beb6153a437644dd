"""A real API server takes every Job as the operator renders it, and drops none of its fields."""

import json

import pytest

from edgemodel_operator.render.children import covers
from edgemodel_operator.render.job import render_job
from tests.apiserver.kubectl import Kubectl
from tests.unit.operator.test_operator_children import ATTEMPT, crew, keeping, private

pytestmark = pytest.mark.apiserver

JOBS = {
    "plain": render_job(private(), "image", ATTEMPT),
    "several workers": render_job(crew(3), "image", ATTEMPT),
    "checkpoints": render_job(keeping(), "image", ATTEMPT),
    "checkpoints of several workers": render_job(keeping(3), "image", ATTEMPT),
}


@pytest.mark.parametrize("name", JOBS)
def test_it_is_stored_as_it_was_rendered(kubectl: Kubectl, name: str) -> None:
    job = JOBS[name]
    kubectl.run("create", "namespace", job["metadata"]["namespace"])
    made = kubectl.run(
        "create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-", stdin=json.dumps(job)
    )
    assert made.returncode == 0, made.stderr
    assert covers(json.loads(made.stdout), job)
