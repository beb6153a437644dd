"""The ASGI application: one wrapper around all routes, for what every answer has in common.

It takes the active model once per request, reads the body under a cap and a time limit, adds the headers that say
which version answered, and turns every `RequestError` into its answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, NamedTuple

import orjson

from edgemodel_inference import heap, logs
from edgemodel_inference.errors import RequestError, Unauthorized
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import Model
from edgemodel_inference.traces import Tracer
from edgemodel_inference.web.access import Tokens
from edgemodel_inference.web.bodies import ARRIVED, MAX_BODIES, Message, Receive, Room, Scope, Taken, read_body

Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

OPEN = frozenset(
    {
        *("/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"),
        *("/", "/page.css", "/page.js", "/docs", "/docs.js", "/swagger-ui.css", "/swagger-ui-bundle.js"),
    }
)
"""Paths that need no token: probes of load balancers, and pages that hold nothing of the model."""

ANSWER = "edgemodel.answer"
"""In a scope, from our HTTP server: sends a whole answer to a POST in one piece, where it can."""

JSON = (b"content-type", b"application/json")

log = logs.Log("edgemodel.app")


class Request(NamedTuple):
    """A request with its whole body, and the model that is to answer it."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes
    model: Model | None
    started: float
    """When its body was there, on the monotonic clock."""


class Response(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    headers: Headers = (JSON,)


def json_response(document: object, status: int = 200) -> Response:
    """`document` as JSON."""
    return Response(status, orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


def error_response(error: RequestError) -> Response:
    """The protocol's error body, with Retry-After where a later attempt may succeed."""
    headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", b'Bearer realm="edgemodel"'))
    return Response(error.status, orjson.dumps({"error": str(error)}), headers)


Route = Callable[[Request], Awaitable[Response]]


class App:
    """`hot` answers paths under /v2; everything else goes to `people`, an ASGI application."""

    def __init__(self, engine: Engine, hot: Route, people: AsgiApp, tokens: Tokens | None = None) -> None:
        """`tokens`: one of them is needed, except at `OPEN`; None: anyone may ask."""
        self._engine = engine
        self._hot = hot
        self._people = people
        self._tokens = tokens
        self.room = Room(MAX_BODIES)
        self.tracer: Tracer | None = None
        """Makes traces of some requests."""
        self.draining = False
        """Whether answers close their connections."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self.tracer is not None and scope["path"] not in OPEN:
            plain, send = send, self.tracer.follow(scope, send)
            if send is not plain:
                scope.pop(ANSWER, None)
        model = self._engine.active
        if model is not None:
            model.users += 1
        taken = Taken(self.room)
        try:
            await self._answer(scope, receive, send, model, taken)
        finally:
            if taken.size:
                taken.release()
            if model is not None:
                model.users -= 1

    def forget(self, tasks: "Collection[asyncio.Task[Any]]") -> None:
        """The caller of the requests that `tasks` answer is gone."""
        self._engine.forget(tasks)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, model: Model | None, taken: Taken) -> None:
        headers = dict(scope["headers"])
        extra: Headers = model.headers if model is not None else ()
        try:
            if self._tokens is not None and scope["path"] not in OPEN:
                self._tokens.check(headers.get(b"authorization"))
            body = await read_body(scope, headers, receive, taken)
        except RequestError as error:
            stranger = isinstance(error, Unauthorized)  # is told nothing of the model
            # What is left of the body would be taken for the next request.
            await _send(send, error_response(error), (*(() if stranger else extra), (b"connection", b"close")))
            return
        if body is None:
            return
        if scope["path"].startswith("/v2"):
            request = Request(scope["method"], scope["path"], headers, body, model, _arrival(scope))
            response = await self._hot(request)
            if taken.size:
                taken.release()  # a caller that is slow to take the answer holds no room
            whole = scope.get(ANSWER) if request.method == "POST" else None
            if whole is None or not whole(
                response.status, (*response.headers, *extra), response.body, closing=self.draining
            ):
                await _send(send, response, (*extra, *self._farewell()))
        else:
            scope["state"] = {"model": model, "started": _arrival(scope)}
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}  # the server leaves the body out
            await self._people(scope, _replay(body, receive), _adding(send, (*extra, *self._farewell())))

    def _farewell(self) -> Headers:
        return ((b"connection", b"close"),) if self.draining else ()


class Later:
    """An application that is built at its first request, on a thread, and costs nothing before."""

    def __init__(self, build: Callable[[], AsgiApp]) -> None:
        self._build = build
        self._app: AsgiApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._build)
                    heap.give_back()
        await self._app(scope, receive, send)


def _arrival(scope: Scope) -> float:
    arrived: float = scope.get(ARRIVED) or time.monotonic()
    return arrived


async def _send(send: Send, response: Response, extra: Headers) -> None:
    length = (b"content-length", b"%d" % len(response.body))
    await send(
        {"type": "http.response.start", "status": response.status, "headers": [*response.headers, length, *extra]}
    )
    await send({"type": "http.response.body", "body": response.body})


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then what really comes."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _adding(send: Send, extra: Headers) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return adding
