"""Routes for people: FastAPI with ``/predict`` and its documentation."""

import math
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from edgemodel.bundle import Tensor
from edgemodel_inference.codec import Array, array_of
from edgemodel_inference.datatypes import NUMPY
from edgemodel_inference.errors import BadRequest, RequestError
from edgemodel_inference.inference import Inference
from edgemodel_inference.models import Model

TOP = 5


class Question(BaseModel):
    """One input, or several."""

    input: Annotated[list[Any] | None, Field(description="One input, nested as its shape says, or flat.")] = None
    inputs: Annotated[list[Any] | None, Field(description="Several inputs.")] = None


class Guess(BaseModel):
    """A class and its probability."""

    label: str
    confidence: float


class Prediction(Guess):
    """The most likely class, and the runners-up."""

    top: list[Guess]


class Source(BaseModel):
    """Which model said so."""

    model: str
    version: str
    digest: str


class One(Prediction, Source):
    """The answer to `input`."""


class Several(Source):
    """The answer to `inputs`, in their order."""

    predictions: list[Prediction]


def build(name: str, inference: Inference) -> FastAPI:
    """The application for the model called `name`."""
    app = FastAPI(title=f"edgemodel {name}", summary="Ask the model; machines use the Open Inference Protocol at /v2.")
    app.add_exception_handler(RequestError, _request_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)

    @app.post("/predict", responses={400: {}, 413: {}, 422: {}, 503: {}})
    async def predict(question: Question, request: Request) -> One | Several:
        """Class, probability and runners-up for one input or several."""
        model = inference.need(request.scope["state"]["model"])
        try:
            tensor, array = _read(question, model)
        except BadRequest:
            inference.invalid(model)
            raise
        result = await inference.run(model, {tensor.name: array}, request.scope["state"]["started"])
        probabilities = model.probabilities(result.outputs)
        if probabilities is None:
            raise BadRequest(f"{name} gives no class probabilities; ask it at /v2/models/{name}/infer")
        source = {"model": name, "version": model.version, "digest": model.digest}
        predictions = [_prediction(row, model.card.labels) for row in probabilities]
        if question.input is not None:
            return One(**predictions[0].model_dump(), **source)
        return Several(predictions=predictions, **source)

    return app


def _read(question: Question, model: Model) -> tuple[Tensor, Array]:
    if len(model.card.inputs) != 1:
        raise BadRequest("this model has several inputs; ask it at /v2")
    tensor = model.card.inputs[0]
    want = f"shape {list(tensor.shape[1:])}"
    if (question.input is None) == (question.inputs is None):
        raise BadRequest(f'body: want {{"input": one input of {want}}} or {{"inputs": [several]}}')
    where, rows = ("input", [question.input]) if question.input is not None else ("inputs", question.inputs or [])
    if not rows:
        raise BadRequest("inputs: want at least one")
    array = array_of(rows, NUMPY[tensor.datatype], where)
    shape = (len(rows), *_row_shape(array.shape[1:], tensor, where))
    if math.prod(shape) != array.size or tensor.shape[0] not in (-1, len(rows)):
        raise BadRequest(f"{where}: want {want} with a batch of {tensor.shape[0]}, got {list(array.shape)}")
    return tensor, array.reshape(shape)


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


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class alone)
    problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
    return JSONResponse({"error": f'want {{"input": [...]}} or {{"inputs": [[...], ...]}}: {problems:.500}'}, 400)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for this class alone)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)
