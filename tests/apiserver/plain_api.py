"""The API server for tests that ask it often: JSON over one connection per thread."""

import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lab.control_plane import ControlPlane

Body = dict[str, Any]


class RefusedError(AssertionError):
    """The API server's answer was not the one that was wanted."""


def administrator(plane: ControlPlane) -> ssl.SSLContext:
    """TLS as the administrator."""
    pair = plane.authority.issue("tests-administrator", groups=["system:masters"])
    context = ssl.create_default_context(cafile=str(plane.authority.certificate))
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@dataclass
class PlainApi:
    """What there is at a path, and what becomes of it."""

    server: str
    context: ssl.SSLContext
    _local: threading.local = field(default_factory=threading.local)

    def get(self, path: str) -> Body | None:
        """The object or list at `path`; None where there is none."""
        status, body = self.call("GET", path)
        return None if status == http.client.NOT_FOUND else self._wanted(status, body, path)

    def items(self, path: str) -> list[Body]:
        """The objects of a collection."""
        found: list[Body] = (self.get(path) or {})["items"]
        return found

    def create(self, path: str, body: Body) -> bool:
        """Create an object; False where there is one already."""
        status, answer = self.call("POST", path, body)
        return status != http.client.CONFLICT and bool(self._wanted(status, answer, path))

    def merge(self, path: str, body: Body) -> Body:
        """Merge into an object."""
        status, answer = self.call("PATCH", path, body, "application/merge-patch+json")
        return self._wanted(status, answer, path)

    def apply(self, path: str, body: Body) -> Body:
        """Server-side apply as a user."""
        status, answer = self.call(
            "PATCH", f"{path}?fieldManager=user&force=true", body, "application/apply-patch+yaml"
        )
        return self._wanted(status, answer, path)

    def delete(self, path: str) -> None:
        """Delete an object at once; one that is gone is as good."""
        self.call("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})

    def call(
        self, method: str, path: str, body: Body | None = None, content: str = "application/json"
    ) -> tuple[int, Body]:
        """One request; its status and answer."""
        if not hasattr(self._local, "connection"):
            where = urlsplit(self.server)
            self._local.connection = http.client.HTTPSConnection(
                where.hostname or "", where.port, context=self.context, timeout=30
            )
        connection: http.client.HTTPSConnection = self._local.connection
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": content, "Accept": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")

    def close(self) -> None:
        """End this thread's connection."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection

    @staticmethod
    def _wanted(status: int, body: Body, path: str) -> Body:
        if status >= http.client.BAD_REQUEST:
            raise RefusedError(f"{path}: {status} {body.get('message')}")
        return body
