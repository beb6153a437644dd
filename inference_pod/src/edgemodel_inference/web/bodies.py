"""Bodies of requests: read whole, up to a size, within a time, and all of them together within some memory."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from edgemodel_inference.errors import BodyTooLarge, BodyTooSlow, Unavailable

MAX_BODY = 16 * 1024 * 1024
MAX_BODIES = 64 * 1024 * 1024
"""Bytes of all large bodies together: slow senders of a few large ones must not fill the pod's memory."""
SMALL_BODY = 64 * 1024
"""A body up to this size always has room."""
BODY_SECONDS = 30.0
ARRIVED = "edgemodel.arrived"
"""In a scope, from our HTTP server: when the request was whole, on the monotonic clock."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


@dataclass(slots=True)
class Room:
    """Bytes that the large bodies of all requests may still take."""

    free: int


@dataclass(slots=True)
class Taken:
    """What one request's body takes of the room."""

    room: Room
    size: int = 0

    def grow(self, size: int) -> None:
        """The body has `size` bytes now.

        Raises:
            Unavailable: there is no room for that many.
        """
        more = size - self.size
        if size <= SMALL_BODY:
            return
        if more > self.room.free:
            raise Unavailable("body: those of other requests leave no room for it now")
        self.room.free -= more
        self.size = size

    def release(self) -> None:
        """The body is not needed any more."""
        self.room.free += self.size
        self.size = 0


async def read_body(scope: Scope, headers: dict[bytes, bytes], receive: Receive, taken: Taken) -> bytes | None:
    """The whole body, or None where the caller has gone away.

    Raises:
        BodyTooLarge: it is, or says that it will be.
        BodyTooSlow: it is not there in time.
        Unavailable: there is no room for it now.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise BodyTooLarge(f"body: want at most {MAX_BODY} bytes, got {int(declared)}")
    if ARRIVED in scope:  # whole: nothing to wait for
        message = await receive()
        body: bytes | None = message.get("body")
        taken.grow(len(body or b""))
        return body
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collect(receive, taken)
    except TimeoutError as error:
        raise BodyTooSlow(f"body: want all of it within {BODY_SECONDS:.0f} s") from error


async def _collect(receive: Receive, taken: Taken) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    while (message := await receive())["type"] == "http.request":
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise BodyTooLarge(f"body: want at most {MAX_BODY} bytes")
        taken.grow(size)
        if not message.get("more_body"):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)
    return None
