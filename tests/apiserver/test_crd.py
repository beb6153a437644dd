"""What the API server does with EdgeModels: defaults, refusals that say what would be right, columns, scale."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab.home import REPOSITORY
from tests.apiserver.kubectl import Kubectl

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

SAMPLE = REPOSITORY / "manifests" / "samples" / "digits.yaml"
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64

Body = dict[str, Any]


def smallest(name: str) -> Body:
    """The smallest EdgeModel that is useful."""
    return {
        "apiVersion": "edgemodel.dev/v1alpha1",
        "kind": "EdgeModel",
        "metadata": {"name": name},
        "spec": {"versions": [{"name": "v1", "uri": "oci://registry:5000/m", "digest": DIGEST}], "version": "v1"},
    }


@pytest.fixture
def sample() -> Body:
    """The sample of the manifests, as data."""
    body: Body = yaml.safe_load(SAMPLE.read_text())
    return body


@pytest.fixture
def cleanup(kubectl: Kubectl) -> Iterator[None]:
    yield
    kubectl.run("delete", "edgemodels", "--all", "--wait=false")


@pytest.mark.usefixtures("cleanup")
def test_the_smallest_edgemodel_shows_every_default(kubectl: Kubectl) -> None:
    assert kubectl.apply(smallest("small")).returncode == 0
    spec = kubectl.get("em", "small")["spec"]
    del spec["versions"], spec["version"]
    assert spec == {
        "registry": {},
        "placement": {
            "mode": "EveryNode",
            "nodeSelector": {},
            "tolerations": [],
            "resources": {"limits": {}, "requests": {}},
        },
        "serving": {
            "device": "auto",
            "threads": 1,
            "batching": {"maxSize": 8, "maxDelay": "0s"},
            "cacheSize": "100Mi",
            "grpc": False,
            "trialTime": "5s",
        },
        "health": {"interval": "10s", "rules": []},
        "healing": {
            "strategies": [],
            "settle": "1m",
            "minSamples": 30,
            "cooldown": "5m",
            "maxPerHour": 4,
            "approval": "Never",
            "fleetGuard": {"maxConcurrent": "25%", "minServing": "51%", "maxHealsPerNode": 3},
        },
        "rollout": {
            "steps": [
                {"nodes": 1, "hold": "1m", "approve": False},
                {"nodes": "50%", "hold": "1m", "approve": False},
            ],
            "judge": {
                "minSamples": 100,
                "maxLatencyRatio": 1.5,
                "maxConfidenceDrop": 0.05,
                "maxErrorIncrease": 0.01,
            },
            "progressDeadline": "10m",
        },
    }


@pytest.mark.usefixtures("cleanup")
def test_an_edgemodel_that_no_operator_has_seen_does_not_look_ready(kubectl: Kubectl) -> None:
    kubectl.apply(smallest("unseen"))
    assert kubectl.get("em", "unseen")["status"] == {"observedGeneration": -1}


@pytest.mark.usefixtures("cleanup")
def test_the_sample_is_accepted_as_it_is(kubectl: Kubectl, sample: Body) -> None:
    assert kubectl.apply(sample).stderr == ""


@pytest.mark.usefixtures("cleanup")
def test_columns_tell_the_story_at_a_glance(kubectl: Kubectl) -> None:
    kubectl.apply(smallest("columns"))
    now = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "False", "reason": "NodesNotReady", "lastTransitionTime": now}
    status = {
        "version": "v1",
        "shortDigest": "aaaaaaaaaaaa",
        "nodes": {"summary": "1/2"},
        "conditions": [ready],
        "faults": [{"name": name, "since": now, "blame": "Node"} for name in ("high-latency", "memory-leak")],
    }
    patch = json.dumps({"status": status})
    patched = kubectl.run("patch", "em", "columns", "--subresource=status", "--type=merge", f"--patch={patch}")
    assert patched.returncode == 0, patched.stderr
    heading, row = kubectl.run("get", "ml", "-o", "wide").stdout.splitlines()
    assert " ".join(heading.split()) == "NAME READY VERSION NODES FAULT REASON AGE DIGEST LASTGOOD CANDIDATE"
    assert row.split()[:6] == ["columns", "False", "v1", "1/2", "high-latency", "NodesNotReady"]


@pytest.mark.usefixtures("cleanup")
def test_replicas_mode_can_be_scaled_like_a_deployment(kubectl: Kubectl) -> None:
    body = smallest("scaled")
    body["spec"]["placement"] = {"mode": "Replicas", "replicas": 2}
    kubectl.apply(body)
    assert kubectl.run("scale", "em/scaled", "--replicas=3").returncode == 0
    assert kubectl.get("em", "scaled")["spec"]["placement"]["replicas"] == 3


@pytest.mark.usefixtures("cleanup")
def test_a_versions_digest_never_changes(kubectl: Kubectl) -> None:
    body = smallest("pinned")
    kubectl.apply(body)
    body["spec"]["versions"][0]["digest"] = OTHER_DIGEST
    answer = kubectl.apply(body)
    assert answer.returncode != 0
    assert f"spec.versions[0].digest: Invalid value: want {DIGEST}, which v1 always had" in answer.stderr


@pytest.mark.usefixtures("cleanup")
def test_versions_may_come_and_go(kubectl: Kubectl) -> None:
    body = smallest("moving")
    kubectl.apply(body)
    body["spec"] = {
        "versions": [{"name": "v2", "uri": "oci://registry:5000/m", "digest": OTHER_DIGEST}],
        "version": "v2",
    }
    answer = kubectl.apply(body)
    assert answer.returncode == 0, answer.stderr


def test_kubectl_explain_describes_a_field(kubectl: Kubectl) -> None:
    deadline = time.monotonic() + 30  # the API server publishes a new CRD's schema a little after Established
    while (answer := kubectl.run("explain", "em.spec.rollout.steps.nodes")).returncode != 0:
        assert time.monotonic() < deadline, answer.stderr
    assert "How many nodes have the new version after this step" in answer.stdout
