"""One collection of the API server, watched in a thread: every object as it is now."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.apiserver.plain_api import Body, PlainApi

LIFETIME = 7200
"""Seconds; no benchmark takes longer."""


@dataclass
class Watch:
    """Tells `take` of every object of a collection, and again when it has changed."""

    api: PlainApi
    path: str
    take: Callable[[Body], None]
    failures: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch within the block."""
        where = urlsplit(self.api.server)
        connection = http.client.HTTPSConnection(where.hostname or "", where.port, context=self.api.context)
        found = self.api.get(self.path) or {}
        for body in found["items"]:
            self.take(body)
        version = found["metadata"]["resourceVersion"]
        query = f"watch=true&resourceVersion={version}&timeoutSeconds={LIFETIME}"
        connection.request("GET", f"{self.path}?{query}", headers={"Accept": "application/json"})
        ended = threading.Event()
        thread = threading.Thread(target=self._follow, args=(connection.getresponse(), ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            if connection.sock is not None:
                connection.sock.close()
        if self.failures:
            raise self.failures[0]

    def _follow(self, answer: http.client.HTTPResponse, ended: threading.Event) -> None:
        try:
            for line in answer:
                event = json.loads(line)
                if event["type"] != "DELETED":
                    self.take(event["object"])
            raise EOFError(f"the watch of {self.path} has ended")
        except (OSError, ValueError, KeyError, EOFError, AttributeError) as error:
            if not ended.is_set():
                self.failures.append(error)
