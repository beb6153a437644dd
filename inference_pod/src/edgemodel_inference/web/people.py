"""Routes for people: FastAPI with ``/predict`` and ``/batch_predict``, a page to try them, and documentation."""

import math
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

import numpy as np
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from edgemodel.bundle import Tensor
from edgemodel_inference.errors import BadRequest, RequestError, WrongMediaType
from edgemodel_inference.model.inference import Inference, Source
from edgemodel_inference.model.models import Model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.v2.datatypes import NUMPY
from edgemodel_inference.v2.values import Array, array_of
from edgemodel_inference.web import pages
from edgemodel_inference.web.forms import Answer, Answers, Guess, Health, ModelCard, One, Prediction, Several
from edgemodel_inference.web.openapi import FORM, MAX_FILES, PICTURES, REFUSALS, describe
from edgemodel_inference.web.picture_layout import eats_pictures
from edgemodel_inference.web.uploads import Uploads

TOP = 5

Body = TypeVar("Body", bound=BaseModel)
_Reply = TypeVar("_Reply", Answer, Answers)


def build(name: str, inference: Inference) -> FastAPI:
    """The application for the model called `name`."""
    app = FastAPI(title=f"edgemodel {name}", version=version("edgemodel-inference"), docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(HTTPException, _http_error)
    desk = _Desk(name, inference)
    routes = APIRouter(tags=["people"])
    routes.post("/predict", openapi_extra=_body(One, 1), responses=REFUSALS)(desk.predict)
    routes.post("/batch_predict", openapi_extra=_body(Several, MAX_FILES), responses=REFUSALS)(desk.batch_predict)
    routes.get("/health", response_model=Health, responses={503: {"model": Health}})(desk.health)
    routes.get("/card", responses={s: REFUSALS[s] for s in (401, 503)})(desk.card)
    app.include_router(routes)
    pages.add(app)
    describe(app, name)
    return app


def _body(model: type[BaseModel], most: int) -> dict[str, Any]:
    """JSON as `model`, a picture, or a form with at most so many."""
    picture = {"type": "string", "format": "binary"}
    pictures = {"type": "array", "items": picture, "minItems": 1, "maxItems": most}
    form = {"type": "object", "required": ["pictures"], "properties": {"pictures": pictures}}
    content: dict[str, Any] = {"application/json": {"schema": model.model_json_schema()}}
    content |= {kind: {"schema": picture} for kind in PICTURES}
    return {"requestBody": {"required": True, "content": {**content, FORM: {"schema": form}}}}


class _Desk:
    """What the routes do."""

    def __init__(self, name: str, inference: Inference) -> None:
        self._name = name
        self._inference = inference
        self._uploads = Uploads()

    async def predict(self, request: Request) -> Answer:
        """Class, probability and runners-up for one input: JSON, or a PNG or JPEG picture."""

        def finish(predictions: list[Prediction], origin: dict[str, Any]) -> Answer:
            return Answer(**predictions[0].model_dump(), **origin)

        return await self._answer(request, self._read_one, finish)

    async def batch_predict(self, request: Request) -> Answers:
        """Class, probability and runners-up for each of several inputs: JSON, a picture, or the files of a form."""

        def finish(predictions: list[Prediction], origin: dict[str, Any]) -> Answers:
            return Answers(predictions=predictions, **origin)

        return await self._answer(request, self._read_several, finish)

    async def health(self, request: Request) -> JSONResponse:
        """Whether a verified model answers, and which."""
        model: Model | None = request.scope["state"]["model"]
        seen = Health(
            status="ok" if model else "no model is served yet",
            model=self._name,
            version=model.version if model else None,
            digest=model.digest if model else None,
        )
        return JSONResponse(seen.model_dump(), 200 if model else 503)

    async def card(self, request: Request) -> ModelCard:
        """What the model is: its inputs, labels, scores and lineage, as its bundle says."""
        model = self._inference.need(request.scope["state"]["model"])
        return ModelCard(
            model=self._name,
            version=model.version,
            digest=model.digest,
            pictures=eats_pictures(model.card),
            card=model.card,
        )

    async def _answer(
        self,
        request: Request,
        read: "Callable[[Request, Model], Any]",
        finish: Callable[[list[Prediction], dict[str, Any]], _Reply],
    ) -> _Reply:
        model, started = self._inference.need(request.scope["state"]["model"]), request.scope["state"]["started"]
        try:
            _need_classes(model, self._name)
            array: Array = await read(request, model)
        except (BadRequest, WrongMediaType):
            self._inference.invalid(model)
            raise

        def answer(result: Result, source: Source | None) -> _Reply:
            probabilities = model.probabilities(result.outputs)
            if probabilities is None:
                raise BadRequest(_no_classes(self._name))
            predictions = [_prediction(row, model.card.labels) for row in probabilities]
            return finish(predictions, self._origin(model, started, source))

        return await self._inference.run(model, {model.card.inputs[0].name: array}, started, answer)

    def _origin(self, model: Model, started: float, source: Source | None) -> dict[str, Any]:
        return {
            "model": self._name,
            "version": model.version,
            "digest": model.digest,
            "source": source or Source.EDGE,
            "latency_ms": round(1000 * (time.monotonic() - started), 3),
        }

    async def _read_one(self, request: Request, model: Model) -> Array:
        pictures = await self._uploads.read(request, model.card)
        if pictures is None:
            return _rows([_parse(One, await request.body(), model).input], "input", model)
        if len(pictures) != 1:
            raise BadRequest(f"body: want one picture, got {len(pictures)}; several go to /batch_predict")
        return pictures

    async def _read_several(self, request: Request, model: Model) -> Array:
        pictures = await self._uploads.read(request, model.card)
        if pictures is not None:
            return pictures
        return _rows(_parse(Several, await request.body(), model).inputs, "inputs", model)


def _need_classes(model: Model, name: str) -> None:
    if model.card.output_kind == "other":
        raise BadRequest(_no_classes(name))
    if len(model.card.inputs) != 1:
        raise BadRequest(f"this model has several inputs; ask it at /v2/models/{name}/infer")


def _no_classes(name: str) -> str:
    return f"this model gives no class probabilities; ask it at /v2/models/{name}/infer"


def _parse(kind: type[Body], body: bytes, model: Model) -> Body:
    shape = list(model.card.inputs[0].shape[1:])
    want = f'{{"input": one of shape {shape}}}' if kind is One else f'{{"inputs": [several of shape {shape}]}}'
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:5])
        raise BadRequest(f"body: want {want}: {problems:.500}") from error


def _rows(rows: list[Any], where: str, model: Model) -> Array:
    """`rows` as a batch for the model's only input."""
    tensor = model.card.inputs[0]
    array = array_of(rows, NUMPY[tensor.datatype], where)
    shape = (len(rows), *_row_shape(array.shape[1:], tensor, where))
    if math.prod(shape) != array.size or tensor.shape[0] not in (-1, len(rows)):
        raise BadRequest(
            f"{where}: want shape {list(tensor.shape[1:])} in a batch of {tensor.shape[0]}, got {list(array.shape)}"
        )
    return array.reshape(shape)


def _row_shape(got: tuple[int, ...], tensor: Tensor, where: str) -> tuple[int, ...]:
    """The shape of one input: as it was nested, or the tensor's where a flat list is as long."""
    want = tensor.shape[1:]
    if len(got) == len(want) and all(w in (-1, g) and g for w, g in zip(want, got, strict=True)):
        return got
    if len(got) == 1 and min(want, default=1) > 0 and math.prod(want) == got[0]:
        return want
    raise BadRequest(f"{where}: want inputs of shape {list(want)}, got {list(got)}")


def _prediction(row: Array, labels: tuple[str, ...]) -> Prediction:
    order = np.argsort(-row, kind="stable")[:TOP].tolist()
    guesses = [Guess(label=labels[i] if i < len(labels) else str(i), confidence=float(row[i])) for i in order]
    return Prediction(label=guesses[0].label, confidence=guesses[0].confidence, top=guesses)


async def _request_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)  # noqa: S101 (registered for this class alone)
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else None
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class alone)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
