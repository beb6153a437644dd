"""uvicorn's HTTP protocol with limits: on a head's size, on the time until it is there, on the time to read an answer.

uvicorn by itself reads a head of any size, and waits for ever for the rest of one and for a caller that never reads.
"""

import asyncio
import time
from collections.abc import Iterable
from itertools import chain
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from edgemodel_inference.web.app import ANSWER
from edgemodel_inference.web.bodies import ARRIVED

MAX_HEAD = 64 * 1024
HEAD_SECONDS = 30.0
ANSWER_SECONDS = 30.0
MAX_CONNECTIONS = 2048
"""Connections at a time; an idle one takes some 7 KiB, and a descriptor."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.tasks = set()
        """Those of this connection alone; uvicorn would keep them among all the server's."""
        self._in_head = True
        self._head_size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        """Runs while an answer waits for its caller to read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected, and has to say something."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse("503 Service Unavailable", "there are too many connections")
        else:
            self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and whoever waited for an answer."""
        self._stop_timer()
        self._stop_reading()
        super().connection_lost(exc)
        if self.tasks:
            app: Any = self.app
            app.forget(self.tasks)

    def data_received(self, data: bytes) -> None:
        """More of a head or a body."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_size += len(data)
        if self._head_size > MAX_HEAD:
            self._refuse_head()
        else:
            self._hurry()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        self._head_size = 0
        self._stop_timer()
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > MAX_HEAD:
            self._refuse_head()
        else:
            super().on_headers_complete()
            scope: Any = self.scope
            scope[ANSWER] = self._answer

    def on_body(self, body: bytes) -> None:
        """A part of a body; of no interest where the head was refused."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self.cycle is not None:
            scope: Any = self.scope
            scope[ARRIVED] = time.monotonic()
            super().on_message_complete()

    def _answer(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, closing: bool) -> bool:
        """Send the answer to a POST in one piece; False where that cannot be done now, and nothing was sent.

        `headers` are our own: uvicorn would look at each of them for what no header may hold. `closing`: it is the
        connection's last one.
        """
        cycle = self.cycle
        if self.pipeline or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        lines = [STATUS_LINE[status], b"content-length: %d\r\n" % len(body)]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        cycle.keep_alive = cycle.keep_alive and not closing
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join(lines))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        """An answer was sent: the next head may come."""
        self._in_head = not self.pipeline
        super().on_response_complete()
        self._watch_reading()

    def pause_writing(self) -> None:
        """The caller reads more slowly than it is answered."""
        super().pause_writing()
        self._watch_reading()

    def resume_writing(self) -> None:
        """The caller has read nearly everything."""
        super().resume_writing()
        self._stop_reading()

    def _watch_reading(self) -> None:
        if self._reading is None and self.transport.get_write_buffer_size():
            self._reading = self.loop.call_later(ANSWER_SECONDS, self._reads_too_slowly)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _reads_too_slowly(self) -> None:
        self._reading = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _hurry(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_head:
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse("431 Request Header Fields Too Large", f"head: want at most {MAX_HEAD} bytes")

    def _refuse(self, status: str, why: str) -> None:
        text = f'{{"error":"{why}"}}'
        self.transport.write(
            f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
            f"connection: close\r\n\r\n{text}".encode()
        )
        self.transport.close()
