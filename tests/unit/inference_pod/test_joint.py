"""Joint inference: a real pod asks a real second server, which is cut, slow, wrong or out of reach."""

import asyncio
import contextlib
import http.client
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from edgemodel.bundle import Tensor
from edgemodel.cloud import Cloud, CloudOutcome
from edgemodel_inference.edge_cloud.breaker import FAILURES, FIRST_PAUSE, State
from edgemodel_inference.edge_cloud.budget import Budget
from edgemodel_inference.edge_cloud.joint import Joint
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.model.models import Array, Model, open_model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.rpc.messages import MESSAGES
from edgemodel_inference.rpc.service import Service
from edgemodel_inference.v2 import codec
from tests.unit.inference_pod import echo
from tests.unit.inference_pod.certificates import write_pair
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.faulty_cloud import answer, way
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, serving, wait_until
from tests.unit.inference_pod.tiny_bundles import ONE, bundle, weights

MODEL = "/v2/models/tiny"
TOKEN = "0123456789abcdef" * 2
SURE = weights(40.0)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A server that is sure of everything, behind a certificate of its own and a token."""
    folder = tmp_path_factory.mktemp("cloud")
    bundle(folder, "big", scale=40.0)
    certificate, key = write_pair(folder)
    (folder / "tokens").write_text(TOKEN)
    own = ("--tls-cert", str(certificate), "--tls-key", str(key), "--tokens", str(folder / "tokens"))
    with serving(folder, "--bundle", str(folder / "big"), *own) as pod:
        yield pod


@pytest.fixture(scope="module")
def plain_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A server that is sure of everything and answers everyone."""
    folder = tmp_path_factory.mktemp("plain-cloud")
    bundle(folder, "big", scale=40.0)
    with serving(folder, "--bundle", str(folder / "big")) as pod:
        yield pod


def unsure(folder: Path, **other: Any) -> Model:
    """The edge's model, which knows nothing."""
    return open_model(folder / "v1", bundle(folder, "v1", scale=0.0, **other), threads=1)


class Edge:
    """What of a pod asks the cloud, without the rest of it."""

    def __init__(self, folder: Path, port: int, **other: Any) -> None:
        self.model = unsure(folder)
        arguments = {"timeout": 5.0, "retries": 0, **other}
        self.settings = Cloud(url=f"http://127.0.0.1:{port}{MODEL}", **arguments)
        self.outcomes: Counter[CloudOutcome] = Counter()
        self.budget = Budget(folder / "budget.json", "boot")
        self.budget.allow(self.settings.daily_budget)
        self._joints: list[Joint] = []
        self.use(self.settings)

    def use(self, settings: Cloud) -> None:
        self.joint = Joint(settings, self.outcomes, self.budget)
        self._joints.append(self.joint)

    async def ask(self) -> Result | None:
        feeds = {"x": ONE}
        outputs = self.model.run(feeds)
        return await self.joint.ask(self.model, feeds, Result(outputs))

    async def close(self) -> None:
        for joint in self._joints:
            if joint._cloud._session is not None:
                await joint._cloud._session.close()


MakeEdge = Callable[..., Edge]


@pytest.fixture
async def make_edge(tmp_path: Path) -> AsyncIterator[MakeEdge]:
    """Makes one that asks a port; its connections are closed after the test."""
    made: list[Edge] = []

    def make(port: int, **other: Any) -> Edge:
        made.append(Edge(tmp_path, port, **other))
        return made[-1]

    yield make
    for edge in made:
        await edge.close()


# A whole pod, beside a whole cloud


def test_a_pod_without_a_cluster_asks_the_cloud_where_it_is_unsure_and_says_so(
    cloud: Pod, pod: Pod, tmp_path: Path, origin: Path
) -> None:
    bundle(origin, "v1", scale=0.0)
    folder = cloud.folder
    (tmp_path / "serve.yaml").write_text(
        f"""
bundle: {origin / "v1"}
interval: 0.1
rules: [{{name: cloudy, metric: cloud_ratio, operator: ">", threshold: 0.5, window: 2, triggerCount: 2}}]
cloud:
  url: https://localhost:{cloud.port}{MODEL}
  timeout: 5
  tokenFile: {folder / "tokens"}
  caFile: {folder / "tls.crt"}
"""
    )
    pod.serve("--config", str(tmp_path / "serve.yaml"))
    pod.await_version("v1")
    status, body = ask(pod.port, "POST", "/predict", json.dumps({"input": ONE[0].tolist()}))
    seen = json.loads(body)
    assert (status, seen["source"], seen["version"]) == (200, "cloud", "v1")
    assert source_header(pod) == "cloud"
    assert seen["confidence"] > 0.5  # a third is all that the edge gives

    def fires() -> bool:
        ask(pod.port, "POST", INFER, BODY)
        return any('fault="cloudy"' in line and line.endswith(" 1.0") for line in pod.series("edgemodel_fault_active"))

    wait_until(fires, "the rule on cloud_ratio fires")
    assert pod.series("edgemodel_cloud_requests_total")[0].partition("outcome=")[2].startswith('"answered"')
    assert pod.worker()["gauges"]["model_confidence_mean"] == pytest.approx(1 / 3)
    shown = pod.worker()["cloud"]
    assert (shown["breaker"], shown["problem"]) == ("closed", None)
    assert shown["budgetLeft"] < 10_000


def test_when_the_cloud_dies_the_edge_answers_and_when_it_is_back_it_is_asked_again(
    plain_cloud: Pod, pod: Pod, tmp_path: Path, origin: Path
) -> None:
    bundle(origin, "v1", scale=0.0)
    with way(plain_cloud.port) as link:
        (tmp_path / "serve.yaml").write_text(
            f"{{bundle: {origin / 'v1'}, cloud: {{url: 'http://localhost:{link.port}{MODEL}', timeout: 5}}}}"
        )
        pod.serve("--config", str(tmp_path / "serve.yaml"))
        pod.await_version("v1")
        assert source(pod) == "cloud"
        link.sever()
        wait_until(lambda: source(pod) == "edge" and pod.worker()["cloud"]["breaker"] == "open", "open")
        link.severed = False
        wait_until(lambda: source(pod) == "cloud", "asked again", FIRST_PAUSE + 10)
        assert pod.worker()["cloud"]["breaker"] == "closed"


def test_where_joint_inference_is_off_nothing_tells_of_it(plain_cloud: Pod) -> None:
    assert (source_header(plain_cloud), source(plain_cloud)) == (None, "edge")
    assert plain_cloud.series("edgemodel_cloud") == []
    assert plain_cloud.worker()["cloud"] is None


def source_header(pod: Pod) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", INFER, BODY)
        answer = connection.getresponse()
        answer.read()
        return answer.headers["x-model-source"]


def source(pod: Pod) -> str:
    status, body = ask(pod.port, "POST", "/predict", json.dumps({"input": ONE[0].tolist()}))
    assert status == 200
    return str(json.loads(body)["source"])


# What the cloud answers


async def test_the_answer_is_the_clouds_in_the_edges_shapes(plain_cloud: Pod, make_edge: MakeEdge) -> None:
    edge = make_edge(plain_cloud.port)
    got = await edge.ask()
    assert got is not None
    assert got.outputs[0] == pytest.approx(ONE.reshape(1, 4) @ SURE, rel=1e-5)
    assert (edge.joint._cloud._binary, edge.outcomes) == (True, {CloudOutcome.ANSWERED: 1})


def v2(output: dict[str, Any]) -> bytes:
    return orjson.dumps({"model_name": "tiny", "outputs": [output]})


LOGITS = {"name": "logits", "datatype": "FP32", "shape": [1, 3], "data": [9.0, 0.0, 0.0]}


async def test_over_grpc_the_source_is_a_parameter_of_the_answer(plain_cloud: Pod, make_edge: MakeEdge) -> None:
    edge = make_edge(plain_cloud.port)
    desk = Desk(edge.model)
    desk.inference.joint = edge.joint
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1, 2, 2]}
    request = MESSAGES["ModelInferRequest"](model_name="tiny", inputs=[tensor], raw_input_contents=[ONE.tobytes()])
    body, _ = await Service("tiny", desk.engine, desk.inference).answer("ModelInfer", request.SerializeToString())
    answered = MESSAGES["ModelInferResponse"].FromString(body)
    assert answered.parameters["source"].string_param == "cloud"
    assert np.frombuffer(answered.raw_output_contents[0], np.float32) == pytest.approx(ONE.reshape(4) @ SURE, rel=1e-5)
    desk.engine.close()


async def test_a_request_of_which_the_edge_is_sure_stays_there(make_edge: MakeEdge, tiny_model: Model) -> None:
    edge = make_edge(1, threshold=0.2)
    desk = Desk(tiny_model)
    desk.inference.joint = edge.joint
    sources = []
    await desk.inference.run(tiny_model, {"x": ONE}, time.monotonic(), lambda _, source: sources.append(source))
    assert (sources, edge.outcomes) == (["edge"], {})
    desk.engine.close()


async def test_the_wait_for_the_cloud_is_not_in_the_latency_that_rules_see(make_edge: MakeEdge) -> None:
    with way() as link:
        edge = make_edge(link.port, timeout=1.0)
        link.hang = True
        desk = Desk(edge.model)
        desk.inference.joint = edge.joint
        await desk.inference.run(edge.model, {"x": ONE}, time.monotonic(), lambda _, source: source)
        samples = desk.traffic.take(1.0)
        assert samples["inference_latency_ms"] is not None
        assert samples["inference_latency_ms"] < 900
        assert samples["cloud_ratio"] == 0.0
        desk.engine.close()


async def test_a_server_that_does_not_list_binary_tensors_is_asked_in_json(make_edge: MakeEdge) -> None:
    with way() as link:
        edge, link.reply = make_edge(link.port), answer(200, v2(LOGITS))
        got = await edge.ask()
        assert got is not None
        assert got.outputs[0].tolist() == [[9.0, 0.0, 0.0]]
        assert [head.split(b" ")[1] for head in link.heads] == [b"/v2", b"/v2/models/tiny/infer"]
        assert b"application/json" in link.heads[1]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer(500), CloudOutcome.SERVER_ERROR),
        (answer(503), CloudOutcome.SERVER_ERROR),
        (answer(400), CloudOutcome.REFUSED),
        (answer(404), CloudOutcome.REFUSED),
        (answer(302, location="http://127.0.0.1:1/"), CloudOutcome.REFUSED),
        (answer(401), CloudOutcome.UNAUTHORIZED),
        (answer(403), CloudOutcome.UNAUTHORIZED),
        (answer(200, b"<html>"), CloudOutcome.MISFIT),
        (answer(200, v2({**LOGITS, "shape": [1, 4], "data": [0.0] * 4})), CloudOutcome.MISFIT),
        (answer(200, v2({**LOGITS, "shape": [3, 1]})), CloudOutcome.MISFIT),
        (answer(200, v2({**LOGITS, "datatype": "FP64"})), CloudOutcome.MISFIT),
        (answer(200, v2({**LOGITS, "name": "scores"})), CloudOutcome.MISFIT),
        (answer(200, v2(LOGITS).replace(b"9.0", b"NaN")), CloudOutcome.MISFIT),
        (answer(200, v2(LOGITS) + b" " * 100_000), CloudOutcome.MISFIT),
        (answer(200, b"{}", inference_header_content_length="5"), CloudOutcome.MISFIT),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", CloudOutcome.UNREACHABLE),
        (b"SSH-2.0-OpenSSH\r\n", CloudOutcome.UNREACHABLE),
        (b"", CloudOutcome.UNREACHABLE),
    ],
)
async def test_an_answer_that_is_none_leaves_the_edges(
    make_edge: MakeEdge, reply: bytes, outcome: CloudOutcome
) -> None:
    with way() as link:
        edge, link.reply = make_edge(link.port), reply
        edge.joint._cloud._binary = False
        assert (await edge.ask(), edge.outcomes) == (None, {outcome: 1})
        assert edge.joint.problem is not None


async def test_a_closed_port_leaves_the_edges_answer(make_edge: MakeEdge) -> None:
    edge = make_edge(1)
    assert (await edge.ask(), edge.outcomes) == (None, {CloudOutcome.UNREACHABLE: 1})


@pytest.mark.parametrize("address", ["http://169.254.169.254", "https://169.254.169.254"])
async def test_a_link_local_address_is_never_connected_to(make_edge: MakeEdge, address: str) -> None:
    edge = make_edge(1)
    settings = Cloud.model_construct(**{**dict(edge.settings), "url": f"{address}{MODEL}"})
    edge.use(settings)
    assert await edge.ask() is None
    assert "link-local" in str(edge.joint.problem)


# Time, tries, money


async def test_a_cloud_that_never_answers_costs_no_more_than_the_timeout(make_edge: MakeEdge) -> None:
    with way() as link:
        edge = make_edge(link.port, timeout=0.5, retries=10)
        link.hang = True
        began = time.monotonic()
        assert (await edge.ask(), edge.outcomes) == (None, {CloudOutcome.TIMEOUT: 1})
        assert 0.49 < time.monotonic() - began < 5  # ten retries of that length would take longer


async def test_retries_are_within_the_timeout_too(make_edge: MakeEdge) -> None:
    with way() as link:
        edge = make_edge(link.port, timeout=0.5, retries=10)
        link.reply = answer(500)
        began = time.monotonic()
        assert await edge.ask() is None
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(("reply", "tries"), [(answer(500), 4), (b"", 4), (answer(400), 1), (answer(401), 1)])
async def test_what_may_pass_is_tried_again_and_what_does_not_is_not(
    make_edge: MakeEdge, reply: bytes, tries: int
) -> None:
    with way() as link:
        edge, link.reply = make_edge(link.port, retries=3), reply
        edge.joint._cloud._binary = False
        await edge.ask()
        assert link.connections == tries
        assert edge.settings.daily_budget - edge.budget.left() == tries


async def test_after_failures_in_a_row_it_is_left_alone(make_edge: MakeEdge) -> None:
    with way() as link:
        edge, link.reply = make_edge(link.port), answer(500)
        edge.joint._cloud._binary = False
        for _ in range(FAILURES + 20):
            assert await edge.ask() is None
        assert (edge.joint.breaker.state, link.connections) == (State.OPEN, FAILURES)
        assert edge.outcomes == {CloudOutcome.SERVER_ERROR: FAILURES, CloudOutcome.BREAKER: 20}


async def test_when_the_budget_is_spent_the_edge_answers_and_the_breaker_stays_closed(
    plain_cloud: Pod, make_edge: MakeEdge
) -> None:
    edge = make_edge(plain_cloud.port, daily_budget=2)
    answers = [await edge.ask() is not None for _ in range(9)]
    assert (answers, edge.outcomes[CloudOutcome.BUDGET]) == ([True, True] + [False] * 7, 7)
    assert edge.joint.breaker.state is State.CLOSED


async def test_no_more_wait_for_the_cloud_than_it_is_asked_for_at_once(make_edge: MakeEdge) -> None:
    with way() as link:
        edge = make_edge(link.port, timeout=1.0)
        edge.joint._cloud._binary = False
        link.hang = True
        answers = await asyncio.gather(*(edge.ask() for _ in range(100)))
        assert not any(answers)
        assert edge.outcomes == {CloudOutcome.TIMEOUT: 16, CloudOutcome.BUSY: 84}
        assert link.connections <= 16


# Secrets


async def test_the_token_goes_along_and_is_read_again_when_it_changes(make_edge: MakeEdge, tmp_path: Path) -> None:
    token = tmp_path / "token"
    with way() as link:
        edge, link.reply = make_edge(link.port, token_file=str(token)), answer(200, v2(LOGITS))
        edge.joint._cloud._binary = False
        assert (await edge.ask(), edge.outcomes, link.connections) == (None, {CloudOutcome.UNAUTHORIZED: 1}, 0)
        token.write_text(TOKEN + "\n")
        assert await edge.ask() is not None
        assert f"authorization: bearer {TOKEN}".encode() in link.heads[0].lower()


async def test_neither_problem_nor_log_tells_the_token(
    make_edge: MakeEdge, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN} {TOKEN}")
    with way() as link:
        edge = make_edge(link.port, token_file=str(token))
        for _ in range(FAILURES):
            await edge.ask()
        assert TOKEN not in str(edge.joint.problem) + caplog.text


async def test_a_wrong_token_and_an_unknown_certificate_leave_the_edges_answer(
    cloud: Pod, make_edge: MakeEdge, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("wrong" * 8)
    edge = make_edge(1)
    found = []
    for ca in (str(cloud.folder / "tls.crt"), None):
        url = f"https://localhost:{cloud.port}{MODEL}"
        settings = Cloud(url=url, timeout=5, retries=0, token_file=str(tmp_path / "token"), ca_file=ca)
        edge.use(settings)
        assert await edge.ask() is None
        found.append(str(edge.joint.problem).partition(":")[0])
    assert found == ["unauthorized", "unreachable"]


async def test_a_ca_of_ones_own_is_trusted_besides_the_systems(
    cloud: Pod, make_edge: MakeEdge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    other, _ = write_pair(tmp_path, "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.folder / "tls.crt"))  # where OpenSSL finds the system's
    edge = make_edge(1)
    url = f"https://localhost:{cloud.port}{MODEL}"
    edge.use(Cloud(url=url, timeout=5, retries=0, token_file=str(tmp_path / "token"), ca_file=str(other)))
    assert await edge.ask() is not None


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.example/v2/models/digits",
        "https://cloud.example:8443/tenants/7/v2/models/digits/versions/3",
        "http://localhost:8000/v2/models/digits",
        "http://127.0.0.1:8000/v2/models/digits",
        "http://big.plant-a.svc/v2/models/digits",
        "http://big.plant-a.svc.cluster.local:80/v2/models/digits",
    ],
)
def test_https_is_taken_and_http_within_the_machine_or_cluster(url: str) -> None:
    assert Cloud(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.example/v2/models/digits",
        "http://localhost.example/v2/models/digits",
        "http://svc/v2/models/digits",
        "https://user:password@cloud.example/v2/models/digits",
        "https://cloud.example/v2/models/digits/infer",
        "https://cloud.example/v2/models/digits?x=1",
        "https://cloud.example/digits",
        "https://cloud.example/v2/models/",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        Cloud(url=url)


# Tensors on the way


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", list(echo.VALUES))
def test_tensors_of_every_datatype_arrive_as_they_left(datatype: str, binary: bool) -> None:
    array: Array = echo.VALUES[datatype][1]
    body, length = codec.encode_inputs({"x": array}, ["y"], binary=binary)
    read = codec.decode(body, length, [Tensor(name="x", datatype=datatype, shape=(-1, 2))], ["y"])
    assert read.feeds["x"].tolist() == array.tolist()
    sent, length = codec.encode({}, [("y", array)], read)
    back = codec.decode_outputs(sent, length, [Tensor(name="y", datatype=datatype, shape=array.shape)])
    assert (back["y"].tolist(), back["y"].dtype) == (array.tolist(), array.dtype)


def test_an_answer_without_one_of_the_outputs_is_refused() -> None:
    wanted = [Tensor(name=name, datatype="FP32", shape=(1, 3)) for name in ("logits", "other")]
    with pytest.raises(BadRequest, match=r"outputs: \['other'\] missing"):
        codec.decode_outputs(v2(LOGITS), None, wanted)
