"""Bodies of the Open Inference Protocol V2 to arrays and back, JSON and binary tensors. Pure.

Protocol: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md) and its
binary tensor data extension. Every problem is a `BadRequest` that says what was expected; no input raises
anything else, and no array is made before its size is known to match its data. Numbers are finite, in JSON and in
binary: JSON has no others, and one NaN from a caller would look like a model that is unsure of everything.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest, Unprocessable
from edgemodel_inference.v2.datatypes import NAMES
from edgemodel_inference.v2.tensors import (
    MAX_TENSORS,
    NO_CLASSES,
    from_bytes,
    from_values,
    need_all,
    need_output,
    need_shape,
    need_tensor,
    to_bytes,
)
from edgemodel_inference.v2.values import Array, not_finite


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that the caller named, and whether it is to come as binary."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A decoded request. `outputs` None: all of them, each binary or not as `binary` says."""

    id: str | None
    feeds: Mapping[str, Array]
    outputs: tuple[Wanted, ...] | None
    binary: bool


def decode(body: bytes, json_length: int | None, inputs: Sequence[Tensor], outputs: Collection[str]) -> InferRequest:
    """Read an infer body.

    Args:
        body: all of it.
        json_length: value of the header ``Inference-Header-Content-Length``; binary tensors follow so many bytes.
        inputs: what the model eats; every one must be there, in its datatype and a shape that fits.
        outputs: names of what it answers.

    Raises:
        BadRequest: says what was expected.
    """
    if json_length is not None and not 0 <= json_length <= len(body):
        raise BadRequest(f"Inference-Header-Content-Length: want 0 to {len(body)}, the body's size, got {json_length}")
    document = _object(body if json_length is None else body[:json_length])
    rest = b"" if json_length is None else memoryview(body)[json_length:]
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadRequest("id: want a string")
    parameters = _parameters(document, "request")
    return InferRequest(
        identity,
        _tensors(document.get("inputs"), rest, inputs, "inputs"),
        _wanted(document.get("outputs"), outputs, parameters.get("binary_data_output") is True),
        parameters.get("binary_data_output") is True,
    )


def encode(
    head: Mapping[str, object], arrays: Sequence[tuple[str, Array]], request: InferRequest
) -> tuple[bytes, int | None]:
    """The body that answers `request` with `arrays`, and its JSON part's length where binary tensors follow.

    Raises:
        Unprocessable: a value is not finite, and is to go out as JSON.
    """
    outputs, blobs = [], []
    for name, array, binary in _choose(arrays, request):
        output: dict[str, object] = {"name": name, "datatype": NAMES[array.dtype], "shape": array.shape}
        if binary:
            blobs.append(to_bytes(array))
            output["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            if (index := not_finite(array.reshape(-1))) is not None:
                value = array.reshape(-1)[index]
                raise Unprocessable(f"{name}: value {index} is {value}, which JSON cannot say; ask for binary")
            output["data"] = _as_json(array)
        outputs.append(output)
    document = {**head, "outputs": outputs}
    if request.id is not None:
        document["id"] = request.id
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((text, *blobs)), len(text)) if blobs else (text, None)


def encode_inputs(feeds: Mapping[str, Array], outputs: Sequence[str], *, binary: bool) -> tuple[bytes, int | None]:
    """A request for `outputs`, tensors in binary or as JSON; with its JSON part's length where binary ones follow."""
    inputs, blobs = [], []
    for name, array in feeds.items():
        item: dict[str, object] = {"name": name, "datatype": NAMES[array.dtype], "shape": array.shape}
        if binary:
            blobs.append(to_bytes(array))
            item["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            item["data"] = _as_json(array)
        inputs.append(item)
    wanted = [{"name": name, **({"parameters": {"binary_data": True}} if binary else {})} for name in outputs]
    text = orjson.dumps({"inputs": inputs, "outputs": wanted}, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((text, *blobs)), len(text)) if binary else (text, None)


def decode_outputs(body: bytes, json_length: int | None, outputs: Sequence[Tensor]) -> dict[str, Array]:
    """Read another server's answer: all of `outputs` and nothing else, finite.

    Raises:
        BadRequest: says what was expected.
    """
    document = _object(body if json_length is None else body[:json_length])
    rest = b"" if json_length is None else memoryview(body)[json_length:]
    return _tensors(document.get("outputs"), rest, outputs, "outputs")


def _as_json(array: Array) -> list[Any] | Array:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.tolist() if array.dtype.kind == "O" else flat


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"body: want JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadRequest('body: want a JSON object like {"inputs": [{"name", "shape", "datatype", "data"}]}')
    return document


def _parameters(owner: Mapping[str, Any], where: str) -> dict[str, Any]:
    parameters = owner.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadRequest(f"{where}.parameters: want an object")
    return parameters


def _items(value: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MAX_TENSORS or not all(isinstance(i, dict) for i in value):
        raise BadRequest(f"{where}: want a list of at most {MAX_TENSORS} objects")
    return value


def _tensors(value: object, rest: "bytes | memoryview", known: Sequence[Tensor], what: str) -> dict[str, Array]:
    tensors = {tensor.name: tensor for tensor in known}
    feeds: dict[str, Array] = {}
    offset = 0
    for index, item in enumerate(_items(value, what)):
        where = f"{what}[{index}]"
        tensor = need_tensor(item.get("name"), tensors, feeds, where)
        shape = need_shape(item.get("datatype"), item.get("shape"), tensor, where)
        size = _parameters(item, where).get("binary_data_size")
        if size is None:
            feeds[tensor.name] = _from_json(item, tensor, shape, where)
            continue
        if type(size) is not int or size < 0:
            raise BadRequest(f"{where}.parameters.binary_data_size: want a number of bytes, got {size!r:.80}")
        if len(rest) < offset + size:
            raise BadRequest(f"{where}: want {size} bytes of binary data, got {len(rest) - offset}")
        feeds[tensor.name] = from_bytes(rest[offset : offset + size], tensor, shape, where)
        offset += size
    need_all(tensors, feeds, what)
    if offset != len(rest):
        raise BadRequest(f"body: want {offset} bytes of binary tensors, as the {what} say, got {len(rest)}")
    return feeds


def _from_json(item: Mapping[str, Any], tensor: Tensor, shape: tuple[int, ...], where: str) -> Array:
    data = item.get("data")
    if not isinstance(data, list):
        raise BadRequest(f"{where}.data: want a list of values")
    return from_values(data, tensor, shape, f"{where}.data")


def _wanted(value: object, known: Collection[str], binary: bool) -> tuple[Wanted, ...] | None:
    if value is None:
        return None
    wanted = []
    for index, item in enumerate(_items(value, "outputs")):
        where = f"outputs[{index}]"
        name = need_output(item.get("name"), known, where)
        parameters = _parameters(item, where)
        if parameters.get("classification"):
            raise BadRequest(f"{where}.parameters.classification: {NO_CLASSES}")
        chosen = parameters.get("binary_data", binary)
        wanted.append(Wanted(name, chosen is True))
    return tuple(wanted)


def _choose(arrays: Sequence[tuple[str, Array]], request: InferRequest) -> list[tuple[str, Array, bool]]:
    if not request.outputs:
        return [(name, array, request.binary) for name, array in arrays]
    known = dict(arrays)
    return [(wanted.name, known[wanted.name], wanted.binary) for wanted in request.outputs]
