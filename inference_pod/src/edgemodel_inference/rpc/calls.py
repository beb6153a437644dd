"""One call: an HTTP/2 stream that brings a message, and takes one away. gRPC's framing, without a socket.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from edgemodel_inference.errors import BadRequest, BodyTooLarge, RequestError
from edgemodel_inference.web.bodies import MAX_BODY, Taken

_PREFIX = struct.Struct(">BI")
"""Whether the message is compressed, and its length."""

Headers = list[tuple[bytes, bytes]]

OK, UNKNOWN, INTERNAL, UNIMPLEMENTED = 0, 2, 13, 12
STATUS: Mapping[int, int] = {400: 3, 401: 16, 404: 5, 408: 4, 413: 8, 422: INTERNAL, 503: 14}
"""HTTP status of a refusal → gRPC's: INVALID_ARGUMENT, UNAUTHENTICATED, NOT_FOUND, DEADLINE_EXCEEDED,
RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. https://grpc.io/docs/guides/status-codes/"""

_TYPE = (b"content-type", b"application/grpc")
_ACCEPT = (b"grpc-accept-encoding", b"identity")


class Desk(Protocol):
    """What answers the calls."""

    def method(self, path: str) -> str | None: ...
    def admit(self, method: str, authorization: bytes | None) -> None: ...
    async def answer(
        self, method: str, body: bytes, headers: Mapping[bytes, bytes]
    ) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]: ...


@dataclass(slots=True)
class Call:
    """What has come of a call so far, and what is still to go out."""

    method: str
    headers: Mapping[bytes, bytes]
    taken: Taken
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """Whether all of the message has come."""
    task: "asyncio.Task[None] | None" = None
    """Makes the answer."""
    timer: asyncio.TimerHandle | None = None
    """Until the message has to be there; then, until the answer has to be taken."""
    answer: memoryview | None = None
    """What is left of it to send."""

    def grow(self, data: bytes) -> None:
        """More of the message has come.

        Raises:
            BodyTooLarge, Unavailable: it is too large, alone or together with those of other calls.
        """
        size = len(self.body) + len(data)
        if size > MAX_BODY + _PREFIX.size:
            raise BodyTooLarge(f"message: want at most {MAX_BODY} bytes")
        self.taken.grow(size)
        self.body += data

    def end(self) -> None:
        """Nothing more is wanted of it."""
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()
        self.taken.release()


def unwrap(body: bytearray) -> bytes:
    """The one message in `body`.

    Raises:
        BadRequest: it holds none, a compressed one, or more.
    """
    if len(body) < _PREFIX.size:
        raise BadRequest(f"message: want one, in a frame with a prefix of {_PREFIX.size} bytes")
    compressed, length = _PREFIX.unpack_from(body)
    if compressed:
        raise BadRequest("grpc-encoding: want identity, messages come uncompressed")
    if length != len(body) - _PREFIX.size:
        raise BadRequest(f"message: want one of {length} bytes as its prefix says, got {len(body) - _PREFIX.size}")
    return bytes(memoryview(body)[_PREFIX.size :])


def wrap(message: bytes) -> bytes:
    """`message` with its prefix."""
    return _PREFIX.pack(0, len(message)) + message


def opening(extra: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """The headers of an answer that brings a message."""
    return [(b":status", b"200"), _TYPE, _ACCEPT, *extra]


def trailers(status: int, message: str = "") -> Headers:
    """The end of an answer; `message` percent-encoded as the protocol wants it."""
    text = [(b"grpc-message", quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~").encode())] if message else []
    return [(b"grpc-status", b"%d" % status), *text]


def refusal(error: RequestError) -> Headers:
    """An answer that brings no message but `error`."""
    return [*opening(()), *trailers(STATUS.get(error.status, UNKNOWN), str(error))]


def read_head(desk: Desk, headers: Mapping[bytes, bytes]) -> tuple[str | None, Headers]:
    """The call that `headers` begin, or None and what to answer instead."""
    if headers.get(b":method") != b"POST" or not headers.get(b"content-type", b"").startswith(b"application/grpc"):
        return None, [(b":status", b"415")]
    path = headers.get(b":path", b"").decode(errors="replace")
    method = desk.method(path)
    if method is None:
        unknown = trailers(UNIMPLEMENTED, f"{path:.200}: want a call of GRPCInferenceService")
        return None, [*opening(()), *unknown]
    try:
        desk.admit(method, headers.get(b"authorization"))
    except RequestError as error:
        return None, refusal(error)
    return method, []
