"""Two pods on the lab's nodes train one student, and leave nothing behind."""

import json
from collections.abc import Iterator

import pytest

from edgemodel.outcome import parse
from edgemodel.verbs import Verb, annotation
from lab.demo.plant import MODEL, Plant
from lab.demo.reading import condition, phase
from lab.demo.story import FETCH_S, Story
from lab.progress import Progress
from lab.shell import until

pytestmark = pytest.mark.e2e

INDEX = "batch.kubernetes.io/job-completion-index"


@pytest.fixture(scope="module")
def asked(plant: Plant, progress: Progress) -> Iterator[Story]:
    """The sample, Ready, with two workers."""
    told = Story(plant, progress, namespace="plant-workers")
    remove(told, "--wait=true", "--timeout=100s")
    plant.make_namespace(told.namespace)
    body = told.sample()
    body["spec"]["distillation"] |= {"workers": 2, "epochs": 10}
    told.kube.apply(body)
    told.await_status("Ready", lambda status: condition(status, "Ready") == "True", FETCH_S)
    yield told
    remove(told, "--wait=false")


def remove(told: Story, *how: str) -> None:
    """The EdgeModel goes first, and its Job with it: a training's would hold the namespace up (decision 15)."""
    told.kube.run("delete", "edgemodels", "--all", "-n", told.namespace)
    told.kube.run("delete", "namespace", told.namespace, "--ignore-not-found", *how)


def test_two_workers_train_one_student_and_leave_no_service(asked: Story) -> None:
    request = {"metadata": {"annotations": {annotation(Verb.REDISTILL): "with-two-workers"}}}
    asked.kube.patch("edgemodel", MODEL, asked.namespace, request)
    over = ("Accepted", "Rejected", "Failed")
    status = asked.await_status("the distillation is over", lambda s: phase(s) in over, FETCH_S)
    told = status["distillation"]
    assert told["phase"] in {"Accepted", "Rejected"}, told
    (job,) = asked.kube.list("jobs", asked.namespace)
    assert (job["spec"]["completionMode"], job["spec"]["completions"]) == ("Indexed", 2)
    pods = asked.kube.list("pods", asked.namespace, "app.kubernetes.io/component=distillation")
    leader = next(pod for pod in pods if pod["metadata"]["annotations"][INDEX] == "0")
    ended = leader["status"]["containerStatuses"][0]["state"]["terminated"]
    result = parse(ended["message"])
    assert (result.code, result.scores["accuracy"] > 0.8) == (told["phase"], True), json.dumps(ended)
    name = job["metadata"]["name"]
    until("the workers' Service is gone", lambda: asked.kube.get("service", name, asked.namespace) is None or None, 30)
