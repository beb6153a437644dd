"""The whole loop on real nodes, with the operator killed in the middle of both heals: the story ends the same way."""

from collections.abc import Iterator

import pytest

from lab.demo.kube import Object
from lab.demo.plant import RELEASE, SYSTEM, Plant
from lab.demo.story import Story
from lab.progress import Progress
from lab.shell import until

pytestmark = pytest.mark.e2e


class DisturbedStory(Story):
    """The operator's pod is killed without grace whenever the status first says one of `kill_at`.

    Detectors look twice as often as in the sample, and holds are half as long: the same story in less time.
    """

    kill_at = ("v2 is on its canary", "a fault is blamed on the input", "the Job is made", "a student passed its gates")

    def sample(self) -> Object:
        body = super().sample()
        body["spec"]["health"]["interval"] = "1s"
        body["spec"]["healing"]["settle"] = "10s"
        body["spec"]["rollout"]["steps"] = [{"nodes": 1, "hold": "10s"}]
        return body

    def say(self, text: str) -> None:
        super().say(text)
        if any(text.strip().startswith(what) for what in self.kill_at):
            selector = f"app.kubernetes.io/instance={RELEASE}"
            self.kube.run("delete", "pod", "-n", SYSTEM, "-l", selector, "--grace-period=0", "--force", "--wait=false")
            super().say("  (the operator was killed)")


@pytest.fixture(scope="module")
def story(plant: Plant, progress: Progress) -> Iterator[Story]:
    told = DisturbedStory(plant, progress, namespace="plant-e2e")
    told.kube.run("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=true", "--timeout=120s")
    yield told
    told.kube.run("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=false")


def test_a_sample_serves_real_digits_on_every_edge_node(story: Story) -> None:
    story.serve()
    assert story.figures["accuracy_clean_before"] >= 0.9
    assert story.status()["nodes"]["ready"] == 2


def test_a_bad_version_is_rolled_back_and_stays_out_though_the_operator_is_killed(story: Story) -> None:
    story.bad_version()
    assert story.figures["failed_requests"] == 0
    assert story.figures["fault_to_rollback_written_s"] < 30


def test_a_drifting_input_ends_in_one_job_and_a_better_student_though_the_operator_is_killed(story: Story) -> None:
    story.drift()
    jobs = story.kube.list("jobs", story.namespace)
    assert len(jobs) == 1
    assert story.figures["accuracy_drifted_after"] >= story.figures["accuracy_drifted_before"] + 0.2
    assert story.figures["failed_requests"] == 0


def test_a_cut_node_goes_on_answering_and_catches_up(story: Story) -> None:
    story.cut_link()
    assert story.figures["answers_while_cut"] > 0
    assert story.figures["failed_requests"] == 0


def test_deleting_removes_all_children_with_the_operator_down(story: Story) -> None:
    story.traffic.stop()
    story.kube.run("scale", f"deployment/{RELEASE}", "-n", SYSTEM, "--replicas=0")
    try:
        until("the operator is gone", lambda: not story.kube.list("pods", SYSTEM) or None, 60)
        story.kube.run("delete", "edgemodel", "digits", "-n", story.namespace, "--timeout=60s")
        kinds = "daemonsets,services,jobs,pods"
        until("no child is left", lambda: not story.kube.list(kinds, story.namespace) or None, 90)
        names = [body["metadata"]["name"] for body in story.kube.list("configmaps", story.namespace)]
        assert "digits-wish" not in names
    finally:
        story.kube.run("scale", f"deployment/{RELEASE}", "-n", SYSTEM, "--replicas=1")
        story.kube.run("rollout", "status", f"deployment/{RELEASE}", "-n", SYSTEM, "--timeout=120s")
