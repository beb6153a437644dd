"""Calls an ASGI application without a server."""

import json
from dataclasses import dataclass
from typing import Any

from edgemodel_inference.web.app import App


@dataclass
class Reply:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(app: App, method: str, path: str, body: bytes | list[bytes] = b"", **headers: str) -> Reply:
    """One request; a list of bodies arrives in as many pieces."""
    pieces = body if isinstance(body, list) else [body]
    incoming = [{"type": "http.request", "body": p, "more_body": i < len(pieces)} for i, p in enumerate(pieces, 1)]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": raw,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("pod", 8080),
        "client": ("caller", 1),
    }
    await app(scope, receive, send)
    start = sent[0]
    answered = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))
