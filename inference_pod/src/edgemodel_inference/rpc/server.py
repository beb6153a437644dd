"""The gRPC server: connections on a socket that was opened elsewhere, and a way to leave without a failed call."""

import asyncio
import socket
import ssl
import time

from edgemodel_inference.access import Tokens
from edgemodel_inference.app import Room
from edgemodel_inference.rpc.connection import Connection
from edgemodel_inference.rpc.service import OPEN, Service
from edgemodel_inference.server import BACKLOG, DRAIN_SECONDS


class RpcServer:
    """Serves `service` on `listener`, of which other processes hold copies."""

    def __init__(
        self,
        service: Service,
        tokens: Tokens | None,
        room: Room,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`room`: what all large messages together may take; shared with REST."""
        self._service = service
        self._tokens = tokens
        self._room = room
        self._listener = listener
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._drained = asyncio.Event()

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, sock=self._listener, ssl=self._tls, backlog=BACKLOG)

    async def run_until_drained(self) -> None:
        """Return when `drain` has ended."""
        await self._drained.wait()

    async def drain(self, linger: float) -> None:
        """Leave: accept for `linger` more seconds, then no more; answer what is under way, and tell callers to go.

        Ends when no connection is left, or after a while.
        """
        await asyncio.sleep(linger)
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.leave()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._connections and time.monotonic() < deadline:  # noqa: ASYNC110 (as for REST)
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()
        self._drained.set()

    # What a connection asks.

    def method(self, path: str) -> str | None:
        """The name of the call at `path`."""
        return self._service.method(path)

    def admit(self, method: str, authorization: bytes | None) -> None:
        """Refuse a caller without a token with Unauthorized."""
        if self._tokens is not None and method not in OPEN:
            self._tokens.check(authorization)

    async def answer(self, method: str, body: bytes) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        """What to send for `body`, and the headers that say which version answered; raises RequestError."""
        message, model = await self._service.answer(method, body)
        return message, model.headers if model is not None else ()

    def _connect(self) -> Connection:
        connection = Connection(self, self._room, self._connections.discard)
        self._connections.add(connection)
        return connection
