"""Bodies of the Open Inference Protocol V2 to arrays and back, JSON and binary tensors. Pure.

Protocol: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md) and its
binary tensor data extension. Every problem is a `BadRequest` that says what was expected; no input raises
anything else, and no array is made before its size is known to match its data. Numbers are finite, in JSON and in
binary: JSON has no others, and one NaN from a caller would look like a model that is unsure of everything.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest, Unprocessable
from edgemodel_inference.v2.datatypes import NAMES
from edgemodel_inference.v2.heads import Heads, Part, Wanted, read_head, read_object, read_parts, recall
from edgemodel_inference.v2.tensors import from_bytes, from_values, to_bytes
from edgemodel_inference.v2.values import Array, not_finite


class InferRequest(NamedTuple):
    """A decoded request. `outputs` None: all of them, each binary or not as `binary` says."""

    id: str | None
    feeds: Mapping[str, Array]
    outputs: tuple[Wanted, ...] | None
    binary: bool


def decode(
    body: bytes,
    json_length: int | None,
    inputs: Sequence[Tensor],
    outputs: Collection[str],
    heads: Heads | None = None,
) -> InferRequest:
    """Read an infer body.

    Args:
        body: all of it.
        json_length: value of the header ``Inference-Header-Content-Length``; binary tensors follow so many bytes.
        inputs: what the model eats; every one must be there, in its datatype and a shape that fits.
        outputs: names of what it answers.
        heads: of earlier requests to the same model; taken from and added to.

    Raises:
        BadRequest: says what was expected.
    """
    if json_length is None:
        head, rest = read_head(body, inputs, outputs), memoryview(b"")
    elif not 0 <= json_length <= len(body):
        raise BadRequest(f"Inference-Header-Content-Length: want 0 to {len(body)}, the body's size, got {json_length}")
    else:
        head = recall({} if heads is None else heads, body[:json_length], inputs, outputs)
        rest = memoryview(body)[json_length:]
    truths = json_length is not None or _may_have_truths(body)
    return InferRequest(head.id, _fill(head.parts, rest, "inputs", truths=truths), head.outputs, head.binary)


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
    document = read_object(body if json_length is None else body[:json_length])
    rest = memoryview(b"" if json_length is None else body[json_length:])
    return _fill(read_parts(document.get("outputs"), outputs, "outputs"), rest, "outputs")


def _as_json(array: Array) -> list[Any] | Array:
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.tolist() if array.dtype.kind == "O" else flat


def _may_have_truths(text: bytes) -> bool:
    """Whether true or false may be among the values of a request; a letter of them is found far sooner than a type."""
    start = text.find(b'"data"')
    if start < 0 or b"\\" in text:  # an escaped "data" would not be found
        return True
    words = ((b"u", b"true"), (b"l", b"false"))
    return any(text.find(letter, start) >= 0 and text.find(word, start) >= 0 for letter, word in words)


def _fill(parts: Sequence[Part], rest: memoryview, what: str, *, truths: bool = True) -> dict[str, Array]:
    feeds: dict[str, Array] = {}
    offset = 0
    for part in parts:
        if part.size is None:
            feeds[part.tensor.name] = _from_json(part, truths=truths)
            continue
        end = offset + part.size
        if len(rest) < end:
            raise BadRequest(f"{part.where}: want {part.size} bytes of binary data, got {len(rest) - offset}")
        feeds[part.tensor.name] = from_bytes(rest[offset:end], part.tensor, part.shape, part.where)
        offset = end
    if offset != len(rest):
        raise BadRequest(f"body: want {offset} bytes of binary tensors, as the {what} say, got {len(rest)}")
    return feeds


def _from_json(part: Part, *, truths: bool) -> Array:
    if not isinstance(part.data, list):
        raise BadRequest(f"{part.where}.data: want a list of values")
    return from_values(part.data, part.tensor, part.shape, f"{part.where}.data", truths=truths)


def _choose(arrays: Sequence[tuple[str, Array]], request: InferRequest) -> list[tuple[str, Array, bool]]:
    if not request.outputs:
        return [(name, array, request.binary) for name, array in arrays]
    known = dict(arrays)
    return [(wanted.name, known[wanted.name], wanted.binary) for wanted in request.outputs]
