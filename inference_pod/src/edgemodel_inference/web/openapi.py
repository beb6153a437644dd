"""The OpenAPI document: FastAPI's own routes, and the Open Inference Protocol's, which are served without it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from edgemodel_inference.v2.datatypes import NUMPY

PICTURES = ("image/png", "image/jpeg")
FORM = "multipart/form-data"
MAX_FILES = 64
"""Pictures in one form."""

_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_MEANINGS = {
    400: "Malformed; the message says what was expected.",
    401: "A bearer token is needed, and this is none of those that are valid.",
    404: "No such model or version.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "Neither JSON nor a picture that can be read.",
    422: "The model fails on these values.",
    503: "Nothing can answer now; come again after Retry-After.",
}


def _answer(meaning: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: _answer(_MEANINGS[status], _ERROR) for status in (400, 401, 408, 413, 415, 422, 503)
}

_TEXT = {"type": "string"}
_SHAPE = {"type": "array", "items": {"type": "integer"}}
_DATA = {"type": "array", "items": {}}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_TENSOR = {"name": _TEXT, "shape": _SHAPE, "datatype": {"type": "string", "enum": list(NUMPY)}}
_PARAMETERS = {"parameters": {"type": "object"}}
_METADATA = _object(_TENSOR)
_INFER = _object(
    {"inputs": _list(_object({**_TENSOR, "data": _DATA}, _PARAMETERS))},
    {"id": _TEXT, **_PARAMETERS, "outputs": _list(_object({"name": _TEXT}, _PARAMETERS))},
)
_INFERRED = _object(
    {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "outputs": _list(_object({**_TENSOR}, {"data": _DATA, **_PARAMETERS})),
    },
    {"id": _TEXT},
)
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _get(what: str, schema: Mapping[str, Any], *refusals: int) -> dict[str, Any]:
    return {"get": {"tags": ["v2"], "summary": what, "responses": _responses(schema, *refusals)}}


def _responses(schema: Mapping[str, Any], *refusals: int) -> dict[str, Any]:
    refused = {str(status): _answer(_MEANINGS[status], _ERROR) for status in refusals}
    return {"200": _answer("So it is.", schema), **refused}


def _ready(what: str) -> dict[str, Any]:
    schema = _object({"ready": {"type": "boolean"}})
    route = _get(what, schema)
    route["get"]["responses"]["503"] = _answer("Not ready.", schema)
    return route


def _infer() -> dict[str, Any]:
    responses = _responses(_INFERRED, 400, 401, 404, 408, 413, 422, 503)
    responses["200"]["content"]["application/octet-stream"] = _BINARY
    length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Bytes of the JSON part; binary tensors follow it.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    }
    content = {"application/json": {"schema": _INFER}}
    post = {
        "tags": ["v2"],
        "summary": "Ask the model, with JSON or binary tensors.",
        "parameters": [length],
        "requestBody": {"required": True, "content": content},
        "responses": responses,
    }
    return {"post": post}


def _paths(name: str) -> dict[str, Any]:
    model = f"/v2/models/{name}"
    metadata = _object({"name": _TEXT, "versions": _list(_TEXT), "platform": _TEXT, "inputs": _list(_METADATA)})
    return {
        "/v2": _get("The server.", _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}), 401),
        "/v2/health/live": _get("Whether the server is there.", _object({"live": {"type": "boolean"}})),
        "/v2/health/ready": _ready("Whether a verified model answers."),
        model: _get("What the model eats and answers.", metadata, 401, 404, 503),
        f"{model}/ready": _ready("Whether this model answers."),
        f"{model}/infer": _infer(),
    }


def describe(app: FastAPI, name: str) -> None:
    """Add the protocol's routes to what ``/openapi.json`` says."""
    own = app.openapi

    def both() -> dict[str, Any]:
        document = own()
        document["paths"].update(_paths(name))
        return document

    app.openapi = both  # type: ignore[method-assign]  # FastAPI's documented way to extend its document
