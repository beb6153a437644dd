"""The Open Inference Protocol V2 over REST: the hot path, without a framework.

https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md)
"""

from importlib.metadata import version

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest, NotAllowed, NotFound, RequestError
from edgemodel_inference.model.inference import Inference, Source
from edgemodel_inference.model.models import Model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.v2.codec import decode, encode
from edgemodel_inference.web.app import JSON, Headers, Request, Response, error_response, json_response

_SOURCE: dict[Source | None, Headers] = {
    None: (),
    **{source: ((b"x-model-source", source.value.encode()),) for source in Source},
}
_JSON_LENGTH = b"inference-header-content-length"
PLATFORM = "onnxruntime_onnx"
SERVER = {
    "name": "edgemodel-serve",
    "version": version("edgemodel-inference"),
    "extensions": ["binary_tensor_data", "model_configuration"],
}


class Routes:
    """Answers everything under ``/v2`` for the model called `name`."""

    def __init__(self, name: str, inference: Inference) -> None:
        self._name = name
        self._inference = inference
        self._infer_path = f"/v2/models/{name}/infer"

    async def __call__(self, request: Request) -> Response:
        try:
            if request.path == self._infer_path and request.method == "POST":  # nearly all of them
                return await self._infer(request, self._inference.need(request.model))
            return await self._answer(request)
        except RequestError as error:
            return error_response(error)

    async def _answer(self, request: Request) -> Response:
        match request.path.rstrip("/").split("/")[2:]:
            case ["models", name, *rest]:
                return await self._model(request, name, rest)
            case []:
                _need(request, "GET")
                return json_response(SERVER)
            case ["health", "live"]:
                _need(request, "GET")
                return json_response({"live": True})
            case ["health", "ready"]:
                _need(request, "GET")
                return _readiness(request.model is not None)
        raise NotFound(f"{request.path:.200}: want /v2, /v2/health/live, /v2/health/ready or /v2/models/{self._name}")

    async def _model(self, request: Request, name: str, rest: list[str]) -> Response:
        need_name(name, self._name)
        if rest[:1] == ["versions"] and len(rest) > 1:
            wanted, rest = rest[1], rest[2:]
            need_version(wanted, request.model)
        match rest:
            case ["infer"]:
                _need(request, "POST")
                return await self._infer(request, self._inference.need(request.model))
            case []:
                _need(request, "GET")
                return json_response(_metadata(self._name, self._inference.need(request.model)))
            case ["ready"]:
                _need(request, "GET")
                return _readiness(request.model is not None)
            case ["config"]:
                _need(request, "GET")
                return json_response(_config(self._name, self._inference.need(request.model)))
        raise NotFound(f"{request.path:.200}: want nothing, /ready, /config or /infer after the model")

    async def _infer(self, request: Request, model: Model) -> Response:
        try:
            _need_plain(request)
            wanted = decode(request.body, _json_length(request), model.card.inputs, model.output_names, model.heads)
        except BadRequest:
            self._inference.invalid(model)
            raise

        def finish(result: Result, source: Source | None) -> Response:
            head = {"model_name": self._name, "model_version": model.version}
            body, json_length = encode(head, list(zip(model.output_names, result.outputs, strict=True)), wanted)
            kind = (JSON,) if json_length is None else _binary(json_length)
            return Response(200, body, (*kind, *_SOURCE[source]))

        return await self._inference.run(model, wanted.feeds, request.started, finish)


def _binary(json_length: int) -> Headers:
    return (b"content-type", b"application/octet-stream"), (_JSON_LENGTH, b"%d" % json_length)


def need_name(name: str, own: str) -> None:
    """Refuse a model's name that is not `own` with NotFound."""
    if name != own:
        raise NotFound(f"model: want {own!r}, got {name!r:.80}")


def need_version(version: str, model: Model | None) -> None:
    """Refuse another version than the one that is served with NotFound."""
    if model is not None and version != model.version:
        raise NotFound(f"version: want {model.version!r}, the one that is served, got {version!r:.80}")


def _need(request: Request, method: str) -> None:
    if request.method != method and not (method == "GET" and request.method == "HEAD"):
        raise NotAllowed(f"{request.path:.200}: want {method}, got {request.method}")


def _need_plain(request: Request) -> None:
    encoding = request.headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise BadRequest(f"Content-Encoding: want none, got {encoding.decode(errors='replace')!r:.80}")


def _readiness(ready: bool) -> Response:
    return json_response({"ready": ready}, 200 if ready else 503)


def _json_length(request: Request) -> int | None:
    text = request.headers.get(_JSON_LENGTH)
    if text is None:
        return None
    if not text.isdigit() or len(text) > 9:  # noqa: PLR2004 (a body has at most eight digits)
        raise BadRequest("Inference-Header-Content-Length: want the number of bytes of the JSON part")
    return int(text)


def _metadata(name: str, model: Model) -> dict[str, object]:
    def tensors(of: tuple[Tensor, ...]) -> list[dict[str, object]]:
        return [{"name": t.name, "datatype": t.datatype, "shape": t.shape} for t in of]

    card = model.card
    return {
        "name": name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": tensors(card.inputs),
        "outputs": tensors(card.outputs),
        "parameters": {"digest": model.digest, "labels": card.labels, "description": card.description},
    }


def _config(name: str, model: Model) -> dict[str, object]:
    """What Triton's clients read before they ask: tensors with all their dimensions, so no batch size apart."""

    def tensors(of: tuple[Tensor, ...]) -> list[dict[str, object]]:
        types = {"BYTES": "STRING"}
        return [{"name": t.name, "data_type": f"TYPE_{types.get(t.datatype, t.datatype)}", "dims": t.shape} for t in of]

    return {
        "name": name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": tensors(model.card.inputs),
        "output": tensors(model.card.outputs),
    }
