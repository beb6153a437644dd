"""Bad input on a real cluster: a message that names what is wrong, and what served keeps serving."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from edgemodel.bundle import Card
from edgemodel.verbs import Verb, annotation
from edgemodel_registry import Client, write_bundle
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import read_card
from lab.demo.plant import MODEL, RELEASE, SYSTEM, Plant
from lab.demo.reading import condition, phase, version
from lab.demo.story import FETCH_S, Story
from lab.demo.traffic import curl
from lab.progress import Progress
from lab.shell import until

pytestmark = pytest.mark.e2e

AWAY, MISSING = ("sha256:" + digit * 64 for digit in "de")


@pytest.fixture(scope="module")
def served(plant: Plant, progress: Progress) -> Iterator[Story]:
    """The sample, Ready with v1; no traffic."""
    told = Story(plant, progress, namespace="plant-bad")
    told.kube.run("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=true", "--timeout=120s")
    plant.make_namespace(told.namespace)
    told.kube.apply(told.sample())
    told.await_status("Ready", lambda status: condition(status, "Ready") == "True", FETCH_S)
    yield told
    told.kube.run("delete", "namespace", told.namespace, "--ignore-not-found", "--wait=false")


def wish(story: Story, name: str, uri: str, digest: str) -> None:
    body = story.sample()
    body["spec"]["versions"].append({"name": name, "uri": uri, "digest": digest})
    body["spec"]["version"] = name
    story.kube.apply(body)


def reason(status: dict, type_: str) -> str:
    return next((c["reason"] for c in status.get("conditions", []) if c["type"] == type_), "")


def message(status: dict, type_: str) -> str:
    return next((c["message"] for c in status.get("conditions", []) if c["type"] == type_), "")


def pods(story: Story) -> list[tuple[str, str]]:
    """Node and address of each."""
    found = story.kube.list("pods", story.namespace, "app.kubernetes.io/component=inference")
    return [(pod["spec"]["nodeName"], pod["status"]["podIP"]) for pod in found]


def ask(pod: tuple[str, str], body: str) -> tuple[int, str]:
    node, address = pod
    url = f"http://{address}:8080/v2/models/{MODEL}/infer"
    answer = curl(node, url, "-H", "Content-Type: application/json", "--data-binary", body, "-w", "\n%{http_code}")
    content, _, status = answer.rpartition("\n")
    return int(status), content


def statuses(story: Story) -> set[int]:
    """What every pod answers to a good request."""
    return {ask(pod, image())[0] for pod in pods(story)}


def image() -> str:
    data = [0.0] * 64
    return json.dumps({"inputs": [{"name": "input", "shape": [1, 1, 8, 8], "datatype": "FP32", "data": data}]})


def test_a_registry_that_is_away_stalls_the_rollout_and_v1_keeps_serving(served: Story) -> None:
    uri = f"oci://{served.plant.lab.registry.partition(':')[0]}:5999/{MODEL}"
    wish(served, "away", uri, AWAY)
    status = served.await_status("Stalled", lambda s: reason(s, "Stalled") == "ArtifactUnreachable", 60)
    assert uri in message(status, "Stalled")
    assert status["version"] == "v1"
    assert statuses(served) == {200}


def test_a_digest_that_the_registry_does_not_have_is_named_and_v1_keeps_serving(served: Story) -> None:
    wish(served, "missing", f"oci://{served.plant.lab.registry}/{MODEL}", MISSING)
    status = served.await_status("missing is told", lambda s: "ArtifactMissing" in json.dumps(s), 60)
    assert status["version"] == "v1"
    assert statuses(served) == {200}


def test_an_artifact_that_is_not_onnx_is_rejected_and_v1_keeps_serving(served: Story, tmp_path: Path) -> None:
    good = served.plant.models.folder / "v1"
    card: Card = read_card(good)
    golden = read_arrays(good / "golden.npz")
    digest = write_bundle(tmp_path / "junk", card, b"this is no model", golden)
    uri = f"oci://{served.plant.lab.registry}/{MODEL}"
    assert Client(ca_file=served.plant.lab.registry_ca).push(tmp_path / "junk", uri) == digest
    wish(served, "junk", uri, digest)
    status = served.await_status("junk is rejected", lambda s: version(s, "junk").get("state") == "Rejected", 60)
    assert version(status, "junk")["reason"] == "NotOnnx"
    assert "junk is Rejected (NotOnnx)" in message(status, "Stalled")
    assert status["version"] == "v1"
    assert statuses(served) == {200}


def test_a_missing_teacher_ends_the_job_with_its_name_and_v1_keeps_serving(served: Story) -> None:
    body = served.sample()
    body["spec"]["distillation"]["teacher"]["digest"] = MISSING
    served.kube.apply(body)
    served.await_status("v1 is wished again", lambda s: not reason(s, "Stalled"), 60)
    asked = {"metadata": {"annotations": {annotation(Verb.REDISTILL): "with-a-missing-teacher"}}}
    served.kube.patch("edgemodel", MODEL, served.namespace, asked)
    status = served.await_status("the distillation failed", lambda s: phase(s) == "Failed", FETCH_S)
    told = status["distillation"]
    assert (told["reason"], MISSING in told["message"]) == ("TeacherMissing", True), told
    assert len(served.kube.list("jobs", served.namespace)) == 1
    assert status["version"] == "v1"
    assert statuses(served) == {200}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ('{"inputs": []}', "input"),
        (image().replace("FP32", "INT64"), "FP32"),
        (image().replace("[1, 1, 8, 8]", "[1, 1, 8, 9]"), "8"),
        (image().replace('"input"', '"picture"'), "input"),
    ],
)
def test_a_malformed_inference_body_gets_400_and_what_was_expected(served: Story, body: str, wanted: str) -> None:
    status, content = ask(pods(served)[0], body)
    assert (status, wanted in content) == (400, True), content


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-d", "{}"], "401"),
        (["-H", "Authorization: Bearer wrong", "-d", "{}"], "401"),
        (["-H", "Authorization: Bearer TOKEN", "-d", "junk"], "400"),
        (["-H", "Authorization: Bearer TOKEN", "-d", '{"alerts": 3}'], "400"),
        (["-H", "Authorization: Bearer TOKEN", "--data-binary", "@-"], "413"),
        (["-H", "Authorization: Bearer TOKEN", "-d", '{"alerts": []}'], "200"),
    ],
)
def test_the_webhook_answers_exactly(plant: Plant, arguments: list[str], expected: str) -> None:
    service = until("the Service", lambda: plant.kube.get("service", RELEASE, SYSTEM), 10)
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10"]
    command += ["-H", "Content-Type: application/json", *(each.replace("TOKEN", plant.token) for each in arguments)]
    command += [f"http://{service['spec']['clusterIP']}:8088/alerts"]
    too_much = f"head -c {2 << 20} /dev/zero | {shlex.join(command)}"
    done = lab.exec_on(plant.lab.nodes[0], ["sh", "-c", too_much])
    assert done.stdout == expected
