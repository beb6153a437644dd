"""A way between a pod and its cloud, or a cloud that is none: cuts, delays and answers as a test says."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

END = b"\r\n\r\n"


def answer(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    """An HTTP answer that closes its connection."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END + body


@dataclass
class Way:
    """What happens to what comes; `reply` None: it goes on to port `to`."""

    to: int = 0
    reply: bytes | None = None
    severed: bool = False
    """Connections end before anything is said."""
    hang: bool = False
    """Nothing is ever answered."""
    port: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    """Of the requests that it answered itself."""
    release: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def sever(self) -> None:
        """Cut what is connected, and whatever connects."""
        self.severed = True
        for end in self._open:
            with contextlib.suppress(OSError):  # it has ended already
                end.shutdown(socket.SHUT_RDWR)

    def carry(self, caller: socket.socket) -> None:
        """One connection."""
        self.connections += 1
        if self.severed:
            return
        if self.hang:
            self.release.wait(20)
            return
        if self.reply is not None:
            self.heads.append(_read_head(caller))
            caller.sendall(self.reply)
            return
        with socket.create_connection(("127.0.0.1", self.to), timeout=20) as cloud:
            self._open += [caller, cloud]
            back = threading.Thread(target=_pump, args=(cloud, caller), daemon=True)
            back.start()
            _pump(caller, cloud)
            back.join(20)


@contextmanager
def way(to: int = 0) -> Iterator[Way]:
    """A way to port `to` of this machine, which is open."""
    found = Way(to)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            found.carry(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield found
        finally:
            found.release.set()
            server.shutdown()


def _read_head(caller: socket.socket) -> bytes:
    """The head of a request, and its body out of the way."""
    data = b""
    while END not in data and (chunk := caller.recv(65536)):
        data += chunk
    head, _, body = data.partition(END)
    length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
    while len(body) < length and (chunk := caller.recv(65536)):
        body += chunk
    return head


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
