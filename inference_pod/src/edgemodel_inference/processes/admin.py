"""Port 8081: ``/livez``, ``/readyz``, ``/metrics``, ``/status``. Reads only; answered by the supervisor.

The standard library's HTTP server with a bound on connections and time: a few requests per second at most, and
liveness must be answered while the worker hangs.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

CONNECTIONS = 32
TIMEOUT = 5.0
"""Seconds that a caller may be silent."""
CONNECTION_SECONDS = 10.0
"""Seconds that a connection lasts at most: some that drip would leave none for the kubelet's question."""

_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class View(Protocol):
    """What the supervisor shows."""

    def alive(self) -> bool: ...
    def ready(self) -> bool: ...
    def ask(self, what: str) -> str | None: ...
    def overview(self) -> dict[str, object]: ...


Page = tuple[HTTPStatus, str, str]


def _yes_or_no(answer: bool) -> Page:
    return (HTTPStatus.OK, _TEXT, "ok\n") if answer else (HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, "no\n")


def _metrics(view: View) -> Page:
    body = view.ask("metrics")
    return (HTTPStatus.OK, _METRICS, body) if body else (HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, "no worker\n")


def _status(view: View) -> Page:
    body = view.ask("status")
    worker = json.loads(body) if body else None
    return HTTPStatus.OK, _JSON, json.dumps({"supervisor": view.overview(), "worker": worker}) + "\n"


PAGES: dict[str, Callable[[View], Page]] = {
    "/livez": lambda view: _yes_or_no(view.alive()),
    "/readyz": lambda view: _yes_or_no(view.ready()),
    "/metrics": _metrics,
    "/status": _status,
}


class AdminServer(ThreadingHTTPServer):
    """Serves `PAGES` of a view on its own threads."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, view: View) -> None:
        self.view = view
        self._ends: dict[socket.socket, float] = {}
        """By open connection: when it is cut, on the monotonic clock."""
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name="admin", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._ends) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self._ends[request] = time.monotonic() + CONNECTION_SECONDS
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had; the base class hangs up
            del self._ends[request]
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._ends[request]

    def service_actions(self) -> None:
        """Cut whoever's time is over; called by the thread that accepts, twice a second and more."""
        now = time.monotonic()
        for request, end in list(self._ends.items()):
            if now > end:
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up early is no event."""


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT
    server: AdminServer
    server_version = "edgemodel"
    sys_version = ""

    def do_GET(self) -> None:
        page = PAGES.get(self.path.split("?", 1)[0])
        if page is None:
            self._answer((HTTPStatus.NOT_FOUND, _TEXT, " ".join(PAGES) + "\n"))
        else:
            self._answer(page(self.server.view))

    do_HEAD = do_GET  # noqa: N815 (the base class's name)

    def _answer(self, page: Page) -> None:
        status, kind, text = page
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Probes and scrapes are no events."""
