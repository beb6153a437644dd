"""An unmodified tritonclient asks over gRPC; callers that break the rules are told, or cut."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel_inference.model.models import Model
from edgemodel_inference.processes.listeners import bind
from edgemodel_inference.rpc import connection as rpc_connection
from edgemodel_inference.rpc import server as rpc_server
from edgemodel_inference.rpc.messages import MESSAGES
from edgemodel_inference.rpc.server import RpcServer
from edgemodel_inference.rpc.service import Service
from edgemodel_inference.web.access import Tokens
from edgemodel_inference.web.bodies import MAX_BODY, SMALL_BODY, Room
from tests.unit.inference_pod.certificates import write_pair
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.echo import VALUES, echo_bundle
from tests.unit.inference_pod.live_pod import Pod, serving, wait_until
from tests.unit.inference_pod.test_pod_under_load import strategy
from tests.unit.inference_pod.tiny_bundles import ONE, bundle, wish

TOKEN = "0123456789abcdef" * 2
NOT_USABLE = "changed file not usable, the old content stays valid"


FIELDS = [(name, field) for name, message in MESSAGES.items() for field in message.DESCRIPTOR.fields]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=lambda value: getattr(value, "name", value))
def test_every_field_is_as_in_the_clients_descriptors(name: str, field: Any) -> None:
    theirs = service_pb2.DESCRIPTOR.message_types_by_name[name.split(".", maxsplit=1)[0]]
    for part in name.split(".")[1:]:
        theirs = theirs.nested_types_by_name[part]
    other = theirs.fields_by_name[field.name]
    assert (field.number, field.type, field.is_repeated) == (other.number, other.type, other.is_repeated)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """Serves the echo model under the name tiny."""
    folder = tmp_path_factory.mktemp("grpc")
    echo_bundle(folder)
    with serving(folder, "--bundle", str(folder / "v1"), "--grpc-port", "0") as pod:
        yield pod


@pytest.fixture
def client(server: Pod) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        yield client


def inputs() -> list[triton.InferInput]:
    made = []
    for name, (_, value) in VALUES.items():
        tensor = triton.InferInput(f"in_{name}", list(value.shape), name)
        tensor.set_data_from_numpy(value)
        made.append(tensor)
    return made


def test_it_is_live_and_ready_and_so_is_the_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "v1")
    assert not client.is_model_ready("tiny", "v9")


def test_it_tells_its_own_and_the_models_metadata(client: Any) -> None:
    assert client.get_server_metadata().name == "edgemodel-serve"
    metadata = client.get_model_metadata("tiny", "v1", as_json=True)
    assert (metadata["name"], metadata["versions"]) == ("tiny", ["v1"])
    assert {"name": "in_INT8", "datatype": "INT8", "shape": ["-1", "2"]} in metadata["inputs"]


def test_every_datatype_goes_in_and_out_with_the_id(client: Any) -> None:
    result = client.infer("tiny", inputs(), request_id="id-7", model_version="v1")
    assert (result.get_response().id, result.get_response().model_version) == ("id-7", "v1")
    for name, (_, value) in VALUES.items():
        got = result.as_numpy(f"out_{name}")
        if name == "BYTES":
            got = np.array([[text.decode() for text in row] for row in got], np.object_)
        np.testing.assert_array_equal(got, value)


def test_an_answer_says_in_its_initial_metadata_which_version_gave_it(server: Pod) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = service_pb2.ModelInferRequest(model_name="tiny")
        for tensor in inputs():
            request.inputs.append(tensor._get_tensor())
            request.raw_input_contents.append(tensor._get_content())
        _, call = stub.ModelInfer.with_call(request)
        told = dict(call.initial_metadata())
    assert (told["x-model-version"], told["x-model-digest"]) == ("v1", server.worker()["active"]["digest"])


def test_one_wanted_output_comes_alone(client: Any) -> None:
    result = client.infer("tiny", inputs(), outputs=[triton.InferRequestedOutput("out_INT64")])
    assert [output.name for output in result.get_response().outputs] == ["out_INT64"]


def test_asynchronous_calls_are_answered_too(client: Any) -> None:
    answers: list[Any] = []
    for _ in range(20):
        client.async_infer("tiny", inputs(), lambda result, error: answers.append((result, error)))
    wait_until(lambda: len(answers) == 20, "all answers")
    assert [error for _, error in answers if error is not None] == []


WRONG = {
    "an unknown model": (lambda c: c.infer("other", inputs()), "NOT_FOUND", "model: want 'tiny'"),
    "an unknown version": (lambda c: c.infer("tiny", inputs(), model_version="v9"), "NOT_FOUND", "want 'v1'"),
    "a missing input": (lambda c: c.infer("tiny", inputs()[1:]), "INVALID_ARGUMENT", "['in_FP32'] missing"),
    "an unknown output": (
        lambda c: c.infer("tiny", inputs(), outputs=[triton.InferRequestedOutput("y")]),
        "INVALID_ARGUMENT",
        "outputs[0].name: want one of",
    ),
    "classification": (
        lambda c: c.infer("tiny", inputs(), outputs=[triton.InferRequestedOutput("out_FP32", class_count=3)]),
        "INVALID_ARGUMENT",
        "not offered",
    ),
    "a compressed message": (
        lambda c: c.infer("tiny", inputs(), compression_algorithm="gzip"),
        "INVALID_ARGUMENT",
        "messages come uncompressed",
    ),
    "an extension that is not there": (
        lambda c: c.get_inference_statistics("tiny"),
        "UNIMPLEMENTED",
        "ModelStatistics: want a call of",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_refusal_reaches_the_client_with_status_and_reason(client: Any, what: str) -> None:
    call, status, message = WRONG[what]
    with pytest.raises(InferenceServerException) as caught:
        call(client)
    assert (caught.value.status(), message in caught.value.message()) == (f"StatusCode.{status}", True), caught.value


def test_a_message_beyond_the_cap_is_refused(client: Any) -> None:
    large = triton.InferInput("in_UINT8", [MAX_BODY // 2 + 1, 2], "UINT8")
    large.set_data_from_numpy(np.zeros((MAX_BODY // 2 + 1, 2), np.uint8))
    with pytest.raises(InferenceServerException) as caught:
        client.infer("tiny", [large])
    assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


CONTENTS = {
    "FP32": ("fp32_contents", [1.5, -2.25], [float("nan"), 0.0], "want finite FP32 values, number 0 is nan"),
    "INT8": ("int_contents", [-128, 127], [1, 128], "beyond the range of INT8"),
    "INT64": ("int64_contents", [-1, 2**63 - 1], [1], "want 2 values"),
    "BOOL": ("bool_contents", [True, False], [True] * 3, "want 2 values"),
    "BYTES": ("bytes_contents", [b"a", "ü".encode()], [b"\xff", b""], "want UTF-8"),
}


@pytest.mark.parametrize("datatype", CONTENTS)
async def test_values_may_come_typed_and_wrong_ones_are_told(tmp_path: Path, datatype: str) -> None:
    field, good, bad, message = CONTENTS[datatype]
    desk = Desk(echo_bundle(tmp_path, [datatype]))
    service = Service("tiny", desk.engine, desk.inference)
    tensor = {"name": f"in_{datatype}", "datatype": datatype, "shape": [1, 2]}
    sound = MESSAGES["ModelInferRequest"](model_name="tiny", inputs=[{**tensor, "contents": {field: good}}])
    answer, _ = await service.answer("ModelInfer", sound.SerializeToString())
    assert len(MESSAGES["ModelInferResponse"].FromString(answer).raw_output_contents) == 1
    broken = MESSAGES["ModelInferRequest"](model_name="tiny", inputs=[{**tensor, "contents": {field: bad}}])
    with pytest.raises(Exception, match=message):
        await service.answer("ModelInfer", broken.SerializeToString())
    assert (desk.count("ok"), desk.count("invalid")) == (1, 1)


@contextlib.contextmanager
def asking(port: int, callers: int = 3) -> Iterator["Counter[str]"]:
    """Callers that ask without a break, each on a channel of its own; what they got, by version or by error."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def ask() -> None:
        tensor = triton.InferInput("x", list(ONE.shape), "FP32")
        tensor.set_data_from_numpy(ONE)
        alone = [("grpc.use_local_subchannel_pool", 1)]
        with triton.InferenceServerClient(f"127.0.0.1:{port}", channel_args=alone) as client:
            while not stop.is_set():
                try:
                    seen[client.infer("tiny", [tensor]).get_response().model_version] += 1
                except InferenceServerException as error:
                    seen[str(error)] += 1

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def test_swaps_and_a_replaced_worker_fail_no_call(pod: Pod, origin: Path) -> None:
    v1, v2 = bundle(origin, "v1"), bundle(origin, "v2", scale=5.0)
    rule = Rule(name="too-busy", metric="requests_per_second", operator=">", threshold=5, window=1, trigger_count=2)
    pod.wish(wish(v1))
    pod.start(EDGEMODEL_GRPC_PORT="0")
    pod.await_version("v1")
    first = pod.worker_pid()
    with asking(pod.grpc_port) as seen:
        wait_until(lambda: seen["v1"] > 20, "answers of v1")
        pod.wish(wish(v2, v1, revision=2, rules=(rule,), healing=strategy("too-busy", ActionType.RESTART)))
        wait_until(lambda: any(entry["pid"] == first for entry in pod.logged("worker ended")), "the old worker gone")
        before = seen["v2"]
        wait_until(lambda: seen["v2"] > before + 20, "answers of the new worker")
    assert set(seen) == {"v1", "v2"}


@pytest.fixture
async def rpc(tiny_model: Model, tmp_path: Path) -> AsyncIterator[int]:
    """A server in this process that wants a token; its port."""
    (tmp_path / "tokens").write_text(TOKEN)
    desk = Desk(tiny_model)
    listener = bind(0, "--grpc-port")
    service = Service("tiny", desk.engine, desk.inference)
    desk.app.room = Room(4 * SMALL_BODY)
    server = RpcServer(service, desk.app, Tokens(tmp_path / "tokens"), listener, None)
    await server.start()
    yield listener.getsockname()[1]
    await server.drain(0)


class Caller:
    """A caller that speaks HTTP/2 by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events: list[Any] = []

    def begin(self, method: str, token: str | None = TOKEN, **changed: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        path = f"/inference.GRPCInferenceService/{method}"
        headers = {":method": "POST", ":path": path, ":scheme": "http", ":authority": "pod", "te": "trailers"}
        headers |= {"content-type": "application/grpc", **{k.replace("_", "-"): v for k, v in changed.items()}}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        self.h2.send_headers(stream, list(headers.items()))
        return stream

    def say(self, stream: int, data: bytes) -> None:
        self.h2.send_data(stream, data, end_stream=True)

    async def status(self, stream: int) -> str:
        """What the call ended with."""
        while True:
            for event in self.events:
                headers = dict(getattr(event, "headers", None) or [])
                if getattr(event, "stream_id", None) == stream and (status := headers.get("grpc-status")):
                    return str(status)
            assert await self.hear(), "the server has hung up"

    async def hear(self) -> bool:
        """Send what is pending and take what comes; whether the connection is still there."""
        self.writer.write(self.h2.data_to_send())
        data = await asyncio.wait_for(self.reader.read(65_536), 10)
        self.events += self.h2.receive_data(data)
        self.writer.write(self.h2.data_to_send())
        return bool(data)


@pytest.fixture
async def caller(rpc: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", rpc)
    yield Caller(reader, writer)
    writer.close()


EMPTY = b"\x00\x00\x00\x00\x00"
FRAMES = {
    "none": (b"", "3"),
    "half a prefix": (b"\x00\x00", "3"),
    "a prefix that promises more": (b"\x00\x00\x00\x00\x05abc", "3"),
    "two messages": (EMPTY + EMPTY, "3"),
    "no protobuf": (b"\x00\x00\x00\x00\x03\xff\xff\xff", "3"),
    "a sound one, for a model that is not there": (EMPTY, "5"),
}


@pytest.mark.parametrize("what", FRAMES)
async def test_a_broken_message_is_refused_and_the_connection_goes_on(caller: Caller, what: str) -> None:
    data, status = FRAMES[what]
    first = caller.begin("ModelMetadata")
    caller.say(first, data)
    assert await caller.status(first) == status
    second = caller.begin("ServerReady")
    caller.say(second, EMPTY)
    assert await caller.status(second) == "0"


@pytest.mark.parametrize(("method", "status"), [("ModelInfer", "16"), ("ServerMetadata", "16"), ("ServerLive", "0")])
async def test_without_a_token_only_probes_are_answered(caller: Caller, method: str, status: str) -> None:
    stream = caller.begin(method, token=None)
    caller.say(stream, EMPTY)
    assert await caller.status(stream) == status


async def test_messages_share_their_memory(caller: Caller) -> None:
    first, second = caller.begin("ModelInfer"), caller.begin("ModelInfer")
    while caller.h2.local_flow_control_window(first) < 4 * SMALL_BODY:
        assert await caller.hear()
    for stream in (first, second):
        for _ in range(3 * SMALL_BODY // 2**14):
            caller.h2.send_data(stream, bytes(2**14))
    assert await caller.status(second) == "14"
    caller.h2.end_stream(first)
    assert await caller.status(first) == "3", "there was room for one, though it is no message"


async def test_a_caller_that_never_finishes_its_message_is_told_so(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_connection, "BODY_SECONDS", 0.1)
    stream = caller.begin("ModelInfer")
    caller.h2.send_data(stream, b"\x00")
    assert await caller.status(stream) == "4"


async def test_a_caller_that_says_nothing_is_sent_away(rpc: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_connection, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(rpc_connection, "ANSWER_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", rpc)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_something_that_is_no_http2_is_cut(rpc: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", rpc)
    writer.write(b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_who_comes_when_there_are_too_many_is_sent_away(
    caller: Caller, rpc: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_server, "MAX_CONNECTIONS", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", rpc)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    stream = caller.begin("ServerLive")
    caller.say(stream, EMPTY)
    assert await caller.status(stream) == "0"


async def test_calls_that_are_taken_back_at_once_leave_nothing_behind(caller: Caller) -> None:
    for _ in range(300):
        stream = caller.begin("ModelMetadata")
        caller.h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
    last = caller.begin("ServerLive")
    caller.say(last, EMPTY)
    assert await caller.status(last) == "0"


@pytest.fixture
def secure_pod(pod: Pod, origin: Path, tmp_path: Path) -> Pod:
    """Over TLS, with a token."""
    certificate, key = write_pair(tmp_path)
    (tmp_path / "tokens").write_text(TOKEN)
    pod.wish(wish(bundle(origin, "v1")))
    files = {"EDGEMODEL_TLS_CERT": certificate, "EDGEMODEL_TLS_KEY": key, "EDGEMODEL_TOKENS": tmp_path / "tokens"}
    pod.start(EDGEMODEL_GRPC_PORT="0", **{name: str(file) for name, file in files.items()})
    pod.await_ready()
    return pod


def trusting(pod: Pod, certificate: bytes) -> triton.InferenceServerClient:
    """A client with a connection of its own that trusts `certificate` only."""
    credentials = grpc.ssl_channel_credentials(certificate)
    alone = [("grpc.use_local_subchannel_pool", 1)]
    return triton.InferenceServerClient(f"localhost:{pod.grpc_port}", creds=credentials, ssl=True, channel_args=alone)


def is_served(client: triton.InferenceServerClient) -> bool:
    try:
        return bool(client.get_model_metadata("tiny", headers={"authorization": f"Bearer {TOKEN}"}).name == "tiny")
    except InferenceServerException:
        return False


def is_trusted(pod: Pod, certificate: bytes) -> bool:
    with trusting(pod, certificate) as client:
        return is_served(client)


def test_it_speaks_tls_with_a_token(secure_pod: Pod, tmp_path: Path) -> None:
    with trusting(secure_pod, (tmp_path / "tls.crt").read_bytes()) as client:
        assert client.is_server_ready()
        assert is_served(client)
        with pytest.raises(InferenceServerException, match="want a bearer token"):
            client.get_model_metadata("tiny")


def test_a_certificate_is_renewed_without_a_restart_while_calls_go_on(secure_pod: Pod, tmp_path: Path) -> None:
    before = (tmp_path / "tls.crt").read_bytes()
    with trusting(secure_pod, before) as old:
        assert is_served(old)
        renewed = write_pair(tmp_path)[0].read_bytes()
        wait_until(lambda: is_trusted(secure_pod, renewed), "the new certificate for new connections")
        assert is_served(old), "the old connection, which would not trust the new certificate, goes on"
        assert not is_trusted(secure_pod, before)
        assert is_served(old)


@pytest.mark.parametrize("unusable", ["half a file", "the key of another certificate"])
def test_a_certificate_that_cannot_be_used_changes_nothing_but_the_log(
    secure_pod: Pod, tmp_path: Path, unusable: str
) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    before = certificate.read_bytes()
    (tmp_path / "other").mkdir()
    another = write_pair(tmp_path / "other")[1].read_text()
    with trusting(secure_pod, before) as old:
        assert is_served(old)
        key.write_text(another if unusable.endswith("certificate") else another[:100])
        wait_until(lambda: is_trusted(secure_pod, before) and secure_pod.logged(NOT_USABLE), "a word about it")
        assert is_trusted(secure_pod, before)
        assert is_served(old)
    assert {entry["what"] for entry in secure_pod.logged(NOT_USABLE)} == {"certificate"}


def test_the_log_names_the_port(server: Pod) -> None:
    assert json.dumps(server.logged("listening")[0]["grpc_port"]) != "null"
