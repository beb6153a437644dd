"""The HTTP server: uvicorn on a socket that was opened elsewhere, and a way to leave without a failed request."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator

import uvicorn

from edgemodel_inference.web.app import App
from edgemodel_inference.web.protocol import Protocol

KEEP_ALIVE = 30
"""Seconds that an idle connection is kept."""
BACKLOG = 2048
"""Connections that wait to be accepted, also while no worker is there for a moment."""
DRAIN_SECONDS = 10.0
"""Seconds that a leaving server waits for its connections to end by themselves."""


class Server(uvicorn.Server):
    """Serves `app` on `listener`, of which other processes hold copies."""

    def __init__(self, app: App, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=Protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=5,
            )
        )
        self._app = app
        self.accepting = asyncio.Event()
        self._listener = listener
        self._tls = tls

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The supervisor says when to end; signals do not."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        self.config.ssl = self._tls  # uvicorn would read the files once
        await super().startup(sockets)
        self.accepting.set()

    async def run_until_drained(self) -> None:
        """Serve until `drain` has ended."""
        await self.serve([self._listener])

    async def drain(self, linger: float) -> None:
        """Leave: accept for `linger` more seconds, then no more; close each open connection after its next answer.

        Ends when none is left, or after a while.
        """
        self._app.draining = True
        await asyncio.sleep(linger)
        for server in self.servers:
            server.close()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110 (uvicorn has no event)
            await asyncio.sleep(0.02)
        self.should_exit = True
