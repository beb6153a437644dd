"""What callers get: answers that name their version, and refusals that say what was expected."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgemodel.bundle import Card, Tensor
from edgemodel_inference.model import engine
from edgemodel_inference.model.models import Model, open_model
from edgemodel_inference.web import bodies
from tests.unit.inference_pod.asgi import call
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.tiny_bundles import ONE, bundle

INFER = "/v2/models/tiny/infer"
PREDICT, BATCH = "/predict", "/batch_predict"


@pytest.fixture
def desk(tiny_model: Model) -> Desk:
    return Desk(tiny_model)


@pytest.fixture
def empty_desk() -> Desk:
    return Desk(None)


def infer_body(**changed: Any) -> bytes:
    tensor = {"name": "x", "shape": [1, 1, 2, 2], "datatype": "FP32", "data": ONE.reshape(-1).tolist()}
    return json.dumps({"id": "42", "inputs": [{**tensor, **changed}]}).encode()


async def test_an_answer_carries_id_version_and_digest(desk: Desk, tiny_model: Model) -> None:
    reply = await call(desk.app, "POST", INFER, infer_body())
    assert (reply.status, reply.json["id"], reply.json["model_version"]) == (200, "42", "v1")
    assert (reply.headers["x-model-version"], reply.headers["x-model-digest"]) == ("v1", tiny_model.digest)


async def test_an_answer_is_what_onnx_runtime_says(desk: Desk, tiny_model: Model) -> None:
    reply = await call(desk.app, "POST", INFER, infer_body())
    (expected,) = tiny_model.session.run(["logits"], {"x": ONE})
    np.testing.assert_allclose(reply.json["outputs"][0]["data"], expected[0], rtol=1e-6)


async def test_a_body_may_come_in_pieces(desk: Desk) -> None:
    body = infer_body()
    reply = await call(desk.app, "POST", INFER, [body[:7], body[7:20], body[20:]])
    assert reply.status == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2", "edgemodel-serve"),
        ("/v2/", "edgemodel-serve"),
        ("/v2/health/live", "true"),
        ("/v2/health/ready", "true"),
        ("/v2/models/tiny", "onnxruntime_onnx"),
        ("/v2/models/tiny/", "onnxruntime_onnx"),
        ("/v2/models/tiny/ready", "true"),
        ("/v2/models/tiny/versions/v1", "onnxruntime_onnx"),
        ("/v2/models/tiny/versions/v1/ready", "true"),
        ("/openapi.json", "/predict"),
    ],
)
async def test_the_protocols_questions_are_answered(desk: Desk, path: str, expected: str) -> None:
    reply = await call(desk.app, "GET", path)
    assert reply.status == 200
    assert expected in reply.body.decode()


WRONG = {
    "no JSON": ("POST", INFER, b"{", 400, "want JSON"),
    "no object": ("POST", INFER, b"[]", 400, "want a JSON object"),
    "no inputs": ("POST", INFER, b"{}", 400, "inputs: want a list"),
    "an input missing": ("POST", INFER, b'{"inputs": []}', 400, "['x'] missing"),
    "a wrong shape": ("POST", INFER, infer_body(shape=[1, 4]), 400, "want [-1, 1, 2, 2]"),
    "a wrong datatype": ("POST", INFER, infer_body(datatype="FP64"), 400, "want 'FP32'"),
    "text for numbers": ("POST", INFER, infer_body(data=["a"] * 4), 400, "want FP32 values"),
    "an unknown model": ("POST", "/v2/models/other/infer", infer_body(), 404, "want 'tiny'"),
    "an unknown version": ("POST", "/v2/models/tiny/versions/v9/infer", infer_body(), 404, "want 'v1'"),
    "an unknown verb": ("POST", "/v2/models/tiny/explain", infer_body(), 404, "/infer"),
    "an unknown path": ("GET", "/v2/repository", b"", 404, "/v2/models/tiny"),
    "a path for people that is none": ("GET", "/nowhere", b"", 404, "Not Found"),
    "the wrong method": ("GET", INFER, b"", 405, "want POST"),
    "predict without anything": ("POST", PREDICT, b"{}", 400, '"input"'),
    "predict with no JSON": ("POST", PREDICT, b"{", 400, '"input"'),
    "predict with a number": ("POST", PREDICT, b'{"input": 3}', 400, '"input"'),
    "predict with nothing in it": ("POST", BATCH, b'{"inputs": []}', 400, "at least 1"),
    "predict with two batch sizes": ("POST", BATCH, b'{"inputs": [[1, 2, 3, 4], [1]]}', 400, "equally long"),
    "predict with a wrong shape": ("POST", PREDICT, b'{"input": [1, 2, 3]}', 400, "want inputs of shape [1, 2, 2]"),
    "predict with text": ("POST", PREDICT, b'{"input": ["a", 2, 3, 4]}', 400, "FP32 values only"),
    "predict with NaN": ("POST", PREDICT, b'{"input": [NaN, 2, 3, 4]}', 400, "finite"),
    "predict with a huge number": ("POST", PREDICT, b'{"input": [1%s, 2, 3, 4]}' % (b"0" * 400), 400, "beyond"),
    "predict with deep lists": ("POST", PREDICT, b'{"input": %s%s}' % (b"[" * 100, b"]" * 100), 400, "deep"),
    "predict with too deep lists": ("POST", PREDICT, b'{"input": %s' % (b"[" * 9000), 400, "body"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_request_is_told_what_was_expected(desk: Desk, what: str) -> None:
    method, path, body, status, expected = WRONG[what]
    reply = await call(desk.app, method, path, body)
    assert (reply.status, expected in reply.json["error"]) == (status, True), reply.body


async def test_a_declared_body_beyond_the_cap_is_refused_unread(desk: Desk) -> None:
    reply = await call(desk.app, "POST", INFER, [], content_length=str(bodies.MAX_BODY + 1))
    assert (reply.status, reply.headers["connection"], reply.headers["x-model-version"]) == (413, "close", "v1")


async def test_an_undeclared_body_is_refused_as_soon_as_it_passes_the_cap(desk: Desk) -> None:
    piece = bytes(bodies.MAX_BODY // 2 + 1)
    reply = await call(desk.app, "POST", INFER, [piece, piece, b"never read"])
    assert reply.status == 413


async def test_large_bodies_share_their_memory_and_small_ones_always_have_room(
    desk: Desk,
) -> None:
    desk.app.room.free = 3 * bodies.SMALL_BODY
    half = bytes(2 * bodies.SMALL_BODY)
    reply = await call(desk.app, "POST", INFER, [half, half])
    assert (reply.status, reply.headers["connection"]) == (503, "close")
    assert reply.headers["retry-after"] == "1"
    assert desk.app.room.free == 3 * bodies.SMALL_BODY, "what was taken is given back"
    assert (await call(desk.app, "POST", INFER, half)).status == 400, "there is room for one"
    desk.app.room.free = 0
    assert (await call(desk.app, "POST", INFER, infer_body())).status == 200


@pytest.mark.parametrize(("path", "body"), [(INFER, infer_body()), (PREDICT, b'{"input": [0, 0, 0, 0]}')])
async def test_when_too_many_wait_one_more_is_asked_to_come_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes
) -> None:
    monkeypatch.setattr(engine, "QUEUE_LIMIT", 0)
    reply = await call(desk.app, "POST", path, body)
    assert (reply.status, reply.headers["retry-after"], desk.count("rejected")) == (503, "1", 1)
    assert "requests are waiting" in reply.json["error"]


EVERYWHERE = {
    "a tensor": ("POST", INFER, infer_body()),
    "a wrong tensor": ("POST", INFER, b"{"),
    "an unknown model": ("POST", "/v2/models/other/infer", infer_body()),
    "the wrong method": ("GET", INFER, b""),
    "metadata": ("GET", "/v2/models/tiny", b""),
    "readiness": ("GET", "/v2/health/ready", b""),
    "a prediction": ("POST", PREDICT, b'{"input": [0, 0, 0, 0]}'),
    "a wrong prediction": ("POST", PREDICT, b"{"),
    "predictions": ("POST", BATCH, b'{"inputs": [[0, 0, 0, 0]]}'),
    "health": ("GET", "/health", b""),
    "a page": ("GET", "/", b""),
    "no page": ("GET", "/nowhere", b""),
}


@pytest.mark.parametrize("what", EVERYWHERE)
async def test_every_answer_says_which_version_serves(desk: Desk, tiny_model: Model, what: str) -> None:
    reply = await call(desk.app, *EVERYWHERE[what])
    assert (reply.headers["x-model-version"], reply.headers["x-model-digest"]) == ("v1", tiny_model.digest)


@pytest.mark.parametrize("path", [INFER, "/v2/models/tiny", PREDICT])
async def test_without_a_model_callers_are_asked_to_come_again(empty_desk: Desk, path: str) -> None:
    method = "GET" if path == "/v2/models/tiny" else "POST"
    reply = await call(empty_desk.app, method, path, infer_body() if path == INFER else b'{"input": [1]}')
    assert (reply.status, "retry-after" in reply.headers) == (503, True)


async def test_a_flat_input_and_a_nested_one_get_the_same_prediction(desk: Desk) -> None:
    flat = await call(desk.app, "POST", PREDICT, json.dumps({"input": ONE.reshape(-1).tolist()}).encode())
    nested = await call(desk.app, "POST", PREDICT, json.dumps({"input": ONE[0].tolist()}).encode())
    assert flat.json["top"] == nested.json["top"]
    assert flat.json["label"] == flat.json["top"][0]["label"]
    assert sum(guess["confidence"] for guess in flat.json["top"]) == pytest.approx(1.0)


async def test_several_inputs_get_as_many_predictions(desk: Desk) -> None:
    body = json.dumps({"inputs": np.concatenate([ONE, ONE]).tolist()}).encode()
    reply = await call(desk.app, "POST", BATCH, body)
    assert (len(reply.json["predictions"]), reply.json["version"]) == (2, "v1")


async def test_each_kind_of_outcome_is_counted(desk: Desk) -> None:
    await call(desk.app, "POST", INFER, infer_body())
    await call(desk.app, "POST", INFER, b"{")
    assert (desk.count("ok"), desk.count("invalid")) == (1, 1)


async def test_a_graph_that_fails_on_sound_values_answers_422_and_counts_as_an_error(desk: Desk, origin: Any) -> None:
    desk.engine.install(_picky(origin))
    body = b'{"inputs": [{"name": "i", "shape": [1], "datatype": "INT64", "data": [7]}]}'
    reply = await call(desk.app, "POST", INFER, body)
    assert (reply.status, desk.count("error")) == (422, 1)


def _picky(origin: Any) -> Model:
    """A graph that looks its input up in a table of two rows."""
    table = helper.make_tensor("t", TensorProto.FLOAT, [2], [0.0, 1.0])
    shaped: Callable[..., Any] = helper.make_tensor_value_info
    proto = helper.make_graph(
        [helper.make_node("Gather", ["t", "i"], ["y"])],
        "picky",
        [shaped("i", TensorProto.INT64, ["n"])],
        [shaped("y", TensorProto.FLOAT, ["n"])],
        [table],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = Card(
        name="picky",
        inputs=(Tensor(name="i", datatype="INT64", shape=(-1,)),),
        outputs=(Tensor(name="y", datatype="FP32", shape=(-1,)),),
        output_kind="other",
    )
    golden = {"input:i": np.array([1]), "output:y": np.array([1.0], dtype=np.float32)}
    artifact = bundle(origin, "picky", card=card, model=model.SerializeToString(), golden=golden)
    return open_model(origin / "picky", artifact, threads=1)
