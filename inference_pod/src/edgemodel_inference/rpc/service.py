"""The six calls of ``inference.GRPCInferenceService``: the same tensors, refusals and engine as over REST."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.inference import Inference, Source
from edgemodel_inference.model.models import Model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.rpc.messages import MESSAGES, PACKAGE
from edgemodel_inference.v2.datatypes import NAMES, NUMPY
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
from edgemodel_inference.v2.texts import to_text
from edgemodel_inference.v2.values import Array, need_finite
from edgemodel_inference.web.routes import PLATFORM, SERVER, need_name, need_version

OPEN = frozenset({"ServerLive", "ServerReady"})
"""Calls that need no token."""

_CONTENTS: Mapping[str, str] = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype → the field that holds its values where they do not come raw; FP16 has none."""

Message = Any
"""A message of `MESSAGES`; its classes exist at run time only."""

Call = Callable[[Message, Model | None], Awaitable[Message]]


class Service:
    """Answers for the model called `name`."""

    def __init__(self, name: str, engine: Engine, inference: Inference) -> None:
        self._name = name
        self._engine = engine
        self._inference = inference
        self._calls: Mapping[str, Call] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }

    def method(self, path: str) -> str | None:
        """The name of the call at `path`, where there is one."""
        prefix, _, name = path.rpartition("/")
        return name if prefix == f"/{PACKAGE}.GRPCInferenceService" and name in self._calls else None

    async def answer(self, method: str, body: bytes) -> tuple[bytes, Model | None]:
        """What to send for `body`, and the model that was active at the call's start.

        Raises:
            RequestError: the call is refused.
        """
        model = self._engine.active
        if model is not None:
            model.users += 1
        try:
            request = MESSAGES[f"{method}Request"]()
            try:
                request.ParseFromString(body)
            except DecodeError as error:
                raise BadRequest(f"body: want a message {PACKAGE}.{method}Request: {error}") from error
            answer = await self._calls[method](request, model)
            return answer.SerializeToString(), model
        finally:
            if model is not None:
                model.users -= 1

    async def _server_live(self, _request: Message, _model: Model | None) -> Message:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _request: Message, model: Model | None) -> Message:
        return MESSAGES["ServerReadyResponse"](ready=model is not None)

    async def _model_ready(self, request: Message, model: Model | None) -> Message:
        need_name(request.name, self._name)
        right = model is not None and request.version in ("", model.version)
        return MESSAGES["ModelReadyResponse"](ready=right)

    async def _server_metadata(self, _request: Message, _model: Model | None) -> Message:
        return MESSAGES["ServerMetadataResponse"](name=SERVER["name"], version=SERVER["version"])

    async def _model_metadata(self, request: Message, model: Model | None) -> Message:
        served = self._need(request.name, request.version, model)

        def tensors(of: Sequence[Tensor]) -> list[dict[str, object]]:
            return [{"name": t.name, "datatype": t.datatype, "shape": t.shape} for t in of]

        return MESSAGES["ModelMetadataResponse"](
            name=self._name,
            versions=[served.version],
            platform=PLATFORM,
            inputs=tensors(served.card.inputs),
            outputs=tensors(served.card.outputs),
        )

    async def _model_infer(self, request: Message, model: Model | None) -> Message:
        started = time.monotonic()
        served = self._need(request.model_name, request.model_version, model)
        try:
            feeds = read_feeds(request, served.card.inputs)
            outputs = _read_outputs(request, served.output_names)
        except BadRequest:
            self._inference.invalid(served)
            raise

        def finish(result: Result, source: Source | None) -> Message:
            arrays = dict(zip(served.output_names, result.outputs, strict=True))
            answer = MESSAGES["ModelInferResponse"](model_name=self._name, model_version=served.version, id=request.id)
            if source is not None:
                answer.parameters["source"].string_param = source.value
            for name in outputs:
                array = arrays[name]
                answer.outputs.add(name=name, datatype=NAMES[array.dtype], shape=array.shape)
                answer.raw_output_contents.append(to_bytes(array))
            return answer

        return await self._inference.run(served, feeds, started, finish)

    def _need(self, name: str, version: str, model: Model | None) -> Model:
        need_name(name, self._name)
        if version:
            need_version(version, model)
        return self._inference.need(model)


def read_feeds(request: Message, inputs: Sequence[Tensor]) -> dict[str, Array]:
    """The arrays of a ModelInferRequest.

    Raises:
        BadRequest: says what was expected.
    """
    tensors = {tensor.name: tensor for tensor in inputs}
    raw = request.raw_input_contents
    if len(request.inputs) > MAX_TENSORS or (raw and len(raw) != len(request.inputs)):
        raise BadRequest(f"raw_input_contents: want one for each of at most {MAX_TENSORS} inputs, got {len(raw)}")
    feeds: dict[str, Array] = {}
    for index, item in enumerate(request.inputs):
        where = f"inputs[{index}]"
        tensor = need_tensor(item.name, tensors, feeds, where)
        shape = need_shape(item.datatype, list(item.shape), tensor, where)
        feeds[tensor.name] = (
            from_bytes(raw[index], tensor, shape, where) if raw else _from_contents(item, tensor, shape, where)
        )
    need_all(tensors, feeds)
    return feeds


def _from_contents(item: Message, tensor: Tensor, shape: tuple[int, ...], where: str) -> Array:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        raise BadRequest(f"{where}: want {tensor.datatype} in raw_input_contents; contents have no field for it")
    where, values = f"{where}.contents.{field}", getattr(item.contents, field)
    if tensor.datatype == "BYTES":
        return from_values([to_text(v, f"{where}[{i}]") for i, v in enumerate(values)], tensor, shape, where)
    if len(values) != math.prod(shape):
        raise BadRequest(f"{where}: want {math.prod(shape)} values for shape {list(shape)}, got {len(values)}")
    try:
        array: Array = np.fromiter(values, NUMPY[tensor.datatype], len(values))  # no list of millions of objects
    except OverflowError as error:
        raise BadRequest(f"{where}: a value is beyond the range of {tensor.datatype}") from error
    need_finite(array, f"{where} ({tensor.name})")
    return array.reshape(shape)


def _read_outputs(request: Message, known: Sequence[str]) -> Sequence[str]:
    """Names of the outputs that the caller wants; all where it names none."""
    wanted = []
    for index, item in enumerate(request.outputs):
        where = f"outputs[{index}]"
        if "classification" in item.parameters:
            raise BadRequest(f"{where}.parameters.classification: {NO_CLASSES}")
        wanted.append(need_output(item.name, known, where))
    return wanted or known
