"""What reads bytes from strangers: each target takes any bytes and either understands them or refuses them.

A target that raises, hangs or eats memory has found a fault. Seeds are sound inputs to begin from.
"""

import contextlib
import json
from collections.abc import Callable, Mapping

import numpy as np
from google.protobuf.message import DecodeError

from edgemodel.bundle import Blob, BundleError, Tensor, parse_card, parse_manifest, render_config, render_manifest
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.rpc.messages import MESSAGES
from edgemodel_inference.rpc.service import read_feeds
from edgemodel_inference.v2.codec import InferRequest, decode, encode

INPUTS = [
    Tensor(name="x", datatype="FP32", shape=(-1, 2)),
    Tensor(name="t", datatype="BYTES", shape=(-1,)),
    Tensor(name="b", datatype="BOOL", shape=(2,)),
    Tensor(name="i", datatype="INT8", shape=(-1, -1)),
]


def v2_json(data: bytes) -> None:
    """An infer body without binary tensors."""
    _infer(data, None)


def v2_binary(data: bytes) -> None:
    """An infer body after two bytes that say how long its JSON part is."""
    _infer(data[2:], int.from_bytes(data[:2], "big"))


def manifest(data: bytes) -> None:
    """A bundle's manifest, and its card."""
    with contextlib.suppress(BundleError):
        for name, blob in parse_manifest(data).files.items():
            assert "/" not in name
            assert not name.startswith(".")
            assert blob.size >= 0
    with contextlib.suppress(BundleError):
        parse_card(data)


def v2_grpc(data: bytes) -> None:
    """A ModelInferRequest."""
    with contextlib.suppress(BadRequest, DecodeError):
        read_feeds(MESSAGES["ModelInferRequest"].FromString(data), INPUTS)


def _infer(body: bytes, json_length: int | None) -> None:
    try:
        request = decode(body, json_length, INPUTS, ["x", "t"])
    except BadRequest:
        return
    assert request.feeds.keys() == {tensor.name for tensor in INPUTS}
    encode({}, [(name, request.feeds[name]) for name in ("x", "t")], request)


def _tensors(*, binary: bool) -> bytes:
    """A sound request, as JSON or in binary with its length before it."""
    values = {
        "x": np.array([[1.5, -2]], np.float32),
        "t": np.array(["grüße", ""], np.object_),
        "b": np.array([True, False]),
        "i": np.array([[1, -128], [0, 127]], np.int8),
    }
    if not binary:
        data = {tensor.name: values[tensor.name].tolist() for tensor in INPUTS}
        inputs = [
            {"name": t.name, "datatype": t.datatype, "shape": values[t.name].shape, "data": data[t.name]}
            for t in INPUTS
        ]
        return json.dumps({"id": "7", "inputs": inputs, "outputs": [{"name": "x"}]}).encode()
    text, length = encode({}, list(values.items()), InferRequest("7", {}, None, binary=True))
    assert length is not None
    document = json.loads(text[:length])
    head = json.dumps({"inputs": document["outputs"]}).encode()
    return len(head).to_bytes(2, "big") + head + text[length:]


def _manifest() -> bytes:
    files = {name: Blob("sha256:" + "a" * 64, 7) for name in ("model.onnx", "bundle.json")}
    render_config("digits", files)
    return render_manifest(files, Blob("sha256:" + "b" * 64, 9))


def _message() -> bytes:
    tensors = [
        {"name": "x", "datatype": "FP32", "shape": [1, 2], "contents": {"fp32_contents": [1.5, -2]}},
        {"name": "t", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": ["grüße".encode()]}},
        {"name": "b", "datatype": "BOOL", "shape": [2], "contents": {"bool_contents": [True, False]}},
        {"name": "i", "datatype": "INT8", "shape": [1, 2], "contents": {"int_contents": [1, -128]}},
    ]
    return bytes(MESSAGES["ModelInferRequest"](model_name="m", id="7", inputs=tensors).SerializeToString())


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "v2_json": v2_json,
    "v2_binary": v2_binary,
    "v2_grpc": v2_grpc,
    "manifest": manifest,
}
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "v2_json": (
        _tensors(binary=False),
        b'{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": []}]}',
    ),
    "v2_binary": (_tensors(binary=True),),
    "v2_grpc": (_message(),),
    "manifest": (_manifest(), b'{"name": "v1", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}]}'),
}
