"""Traces of some requests: how long each was received, waited, ran and was answered.

Without a tracer, which is the default, a request pays for one look at an attribute. With one, a request that is not
sampled pays for a look at its ``traceparent``; what is sampled is kept in a bounded queue until `spans` pushes it.
"""

import random
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MOST_PER_SECOND = 50
"""Traces that are begun in a second, however many callers ask for theirs."""
KEPT = 512
"""Traces that wait to be pushed; beyond it the oldest goes."""

_PARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_SAMPLED = 1

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class Trace:
    """One sampled request. Times are on the monotonic clock."""

    name: str
    parent: Mapping[str, str]
    """What the caller said of its own trace: ``traceparent``, ``tracestate``."""
    began: float
    received: float = 0.0
    run_began: float = 0.0
    run_ended: float = 0.0
    ended: float = 0.0
    failed: bool = False
    """Whether the server is to blame that there was no answer."""
    attributes: dict[str, str | int] = field(default_factory=dict)

    def ran(self, received: float, began: float, ended: float) -> None:
        """The request was whole at `received`, and the model ran from `began` to `ended`."""
        self.received, self.run_began, self.run_ended = received, began, ended


CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request that this task answers."""


class Tracer:
    """Says which requests are traced, and keeps those that have ended. Called on the event loop, emptied elsewhere."""

    def __init__(self, ratio: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`ratio`: share of the requests whose callers leave the choice to us."""
        self._ratio = ratio
        self._clock = clock
        self._second, self._begun = 0, 0
        self._ended: deque[Trace] = deque(maxlen=KEPT)

    def begin(self, name: str, headers: Mapping[bytes, bytes]) -> Trace | None:
        """A trace that this task's request is under from now on, if it is to be traced."""
        given = headers.get(b"traceparent")
        parent = _PARENT.fullmatch(given) if given is not None else None
        wanted = int(parent[1], 16) & _SAMPLED if parent else random.random() < self._ratio  # noqa: S311 (no secret)
        now = self._clock()
        if not wanted or not self._has_room(int(now)):
            return None
        names = (b"traceparent", b"tracestate") if parent else ()
        trace = Trace(name, {n.decode(): headers[n].decode("latin-1") for n in names if n in headers}, now)
        CURRENT.set(trace)
        return trace

    def end(self, trace: Trace) -> None:
        """The answer is sent."""
        trace.ended = self._clock()
        self._ended.append(trace)

    def follow(self, scope: MutableMapping[str, Any], send: Send) -> Send:
        """`send` of an HTTP request, which may be traced until its last byte is sent."""
        trace = self.begin(f"{scope['method']} {scope['path']:.100}", dict(scope["headers"]))
        if trace is None:
            return send

        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                trace.attributes["http.response.status_code"] = message["status"]
                trace.failed = message["status"] >= 500  # noqa: PLR2004 (server errors)
            elif not message.get("more_body"):
                self.end(trace)

        return sending

    def take(self) -> list[Trace]:
        """What has ended since the last call."""
        return [self._ended.popleft() for _ in range(len(self._ended))]

    def _has_room(self, second: int) -> bool:
        if second != self._second:
            self._second, self._begun = second, 0
        self._begun += 1
        return self._begun <= MOST_PER_SECOND
