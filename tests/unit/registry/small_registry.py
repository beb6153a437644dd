"""A registry in memory that lists referrers, which Debian's does not, and remembers what was written in which order."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"


class SmallRegistry(ThreadingHTTPServer):
    """One repository, of whatever name."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.written: list[str] = []
        """References under which manifests were written, in order."""
        self.takes: int | None = None
        """How many more writes it takes until the link is cut; None: all."""
        self.loses_answer = False
        """The link is cut after the write, and not before."""

    def uri(self) -> str:
        return f"oci://127.0.0.1:{self.server_port}/digits"

    def referrers(self, digest: str) -> list[dict[str, object]]:
        found = []
        for reference, data in self.manifests.items():
            manifest = json.loads(data)
            if reference.startswith("sha256:") and manifest.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": manifest["mediaType"], "digest": reference, "size": len(data)}
                found.append(entry | {"artifactType": manifest["artifactType"]})
        return found


class _Handler(BaseHTTPRequestHandler):
    server: SmallRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        kind, reference = path.split("/")[-2:]
        if kind == "referrers":
            listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.server.referrers(reference)}
            self._answer(200, json.dumps(listed).encode())
            return
        data = (self.server.manifests if kind == "manifests" else self.server.blobs).get(reference)
        self._answer(404 if data is None else 200, data or b"")

    do_HEAD = do_GET  # noqa: N815 (the base class's name)

    def do_POST(self) -> None:
        self._answer(202, b"", Location=self.path + "1")

    def do_PUT(self) -> None:
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        cut = self._is_cut()
        if cut and not self.server.loses_answer:
            return
        kind, reference = parts.path.split("/")[-2:]
        if kind == "manifests":
            self.server.written.append(reference)
            for name in (reference, "sha256:" + hashlib.sha256(data).hexdigest()):
                self.server.manifests[name] = data
            subject = json.loads(data).get("subject", {}).get("digest")
            told = {"OCI-Subject": subject} if subject else {}
        else:
            self.server.blobs[parse_qs(parts.query)["digest"][0]] = data
            told = {}
        if not cut:
            self._answer(201, b"", **told)

    def _is_cut(self) -> bool:
        if self.server.takes is not None:
            self.close_connection = self.server.takes <= 0
            self.server.takes -= 1
        return self.close_connection

    def _answer(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def run_small_registry() -> Iterator[SmallRegistry]:
    with SmallRegistry() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
