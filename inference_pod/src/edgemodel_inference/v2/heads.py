"""The JSON part of a request of the Open Inference Protocol V2: what it says of its tensors and wants. Pure.

Callers in binary say the same again and again, and only the tensors that follow differ: what was read is remembered.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.v2.tensors import MAX_TENSORS, NO_CLASSES, need_all, need_output, need_shape, need_tensor


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that the caller named, and whether it is to come as binary."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of a request, as its JSON part has it."""

    tensor: Tensor
    shape: tuple[int, ...]
    where: str
    size: int | None
    """Bytes that follow in binary; None: the values are in `data`."""
    data: object = None


@dataclass(frozen=True, slots=True)
class Head:
    """The JSON part of a request, checked against the model."""

    id: str | None
    parts: tuple[Part, ...]
    outputs: tuple[Wanted, ...] | None
    binary: bool


MOST_HEADS, LONGEST_HEAD = 64, 1024

Heads = dict[bytes, Head]
"""What requests in binary began with lately: a caller says the same again and again, and only the tensors differ."""


def read_head(text: bytes, inputs: Sequence[Tensor], outputs: Collection[str]) -> Head:
    """Read the JSON part of a request for a model with `inputs` and `outputs`.

    Raises:
        BadRequest: says what was expected.
    """
    document = read_object(text)
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadRequest("id: want a string")
    binary = _parameters(document, "request").get("binary_data_output") is True
    parts = read_parts(document.get("inputs"), inputs, "inputs")
    return Head(identity, parts, _wanted(document.get("outputs"), outputs, binary), binary)


def recall(heads: Heads, text: bytes, inputs: Sequence[Tensor], outputs: Collection[str]) -> Head:
    """`read_head`, where `heads` does not know it yet; those with an id come once, and are not kept."""
    if (known := heads.get(text)) is not None:
        return known
    head = read_head(text, inputs, outputs)
    if len(text) > LONGEST_HEAD or head.id is not None or any(part.size is None for part in head.parts):
        return head
    if len(heads) >= MOST_HEADS:
        heads.clear()
    heads[text] = head
    return head


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object; raises BadRequest where it is none."""
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


def read_parts(value: object, known: Sequence[Tensor], what: str) -> tuple[Part, ...]:
    """All of the `known` tensors, each once; raises BadRequest where they are not so."""
    tensors = {tensor.name: tensor for tensor in known}
    parts: dict[str, Part] = {}
    for index, item in enumerate(_items(value, what)):
        where = f"{what}[{index}]"
        tensor = need_tensor(item.get("name"), tensors, parts, where)
        shape = need_shape(item.get("datatype"), item.get("shape"), tensor, where)
        size = _parameters(item, where).get("binary_data_size")
        if size is not None and (type(size) is not int or size < 0):
            raise BadRequest(f"{where}.parameters.binary_data_size: want a number of bytes, got {size!r:.80}")
        parts[tensor.name] = Part(tensor, shape, where, size, item.get("data"))
    need_all(tensors, parts, what)
    return tuple(parts.values())


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
