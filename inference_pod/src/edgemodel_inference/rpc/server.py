"""The gRPC server: connections on a socket that was opened elsewhere, and a way to leave without a failed call."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping

from edgemodel_inference.errors import RequestError
from edgemodel_inference.rpc.connection import Connection
from edgemodel_inference.rpc.service import OPEN, Service
from edgemodel_inference.web.access import Tokens
from edgemodel_inference.web.app import App
from edgemodel_inference.web.protocol import HEAD_SECONDS, MAX_CONNECTIONS
from edgemodel_inference.web.server import BACKLOG, DRAIN_SECONDS


class _NoRoom(asyncio.Protocol):
    """Hangs up: there are too many connections."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class RpcServer:
    """Serves `service` on `listener`, of which other processes hold copies."""

    def __init__(
        self,
        service: Service,
        app: App,
        tokens: Tokens | None,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`app` answers over REST: the room for large messages and the traces are shared with it."""
        self._service = service
        self._app = app
        self._tokens = tokens
        self._listener = listener
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._drained = asyncio.Event()

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        patience = HEAD_SECONDS if self._tls is not None else None
        self._server = await loop.create_server(
            self._connect, sock=self._listener, ssl=self._tls, ssl_handshake_timeout=patience, backlog=BACKLOG
        )

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

    async def answer(
        self, method: str, body: bytes, headers: Mapping[bytes, bytes]
    ) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        """What to send for `body`, and the headers that say which version answered; raises RequestError."""
        tracer = self._app.tracer if method not in OPEN else None
        trace = tracer.begin(method, headers) if tracer is not None else None
        try:
            message, model = await self._service.answer(method, body)
        except RequestError as error:
            if trace is not None:
                trace.failed = error.status >= 500  # noqa: PLR2004 (server errors)
            raise
        finally:
            if tracer is not None and trace is not None:
                tracer.end(trace)
        return message, model.headers if model is not None else ()

    def _connect(self) -> asyncio.Protocol:
        if len(self._connections) >= MAX_CONNECTIONS:
            return _NoRoom()
        connection = Connection(self, self._app.room, self._connections.discard)
        self._connections.add(connection)
        return connection
