"""A proxy between the operator and the API server, on loopback: it numbers every request and lets one go wrong."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from ssl import SSLContext

import aiohttp
from aiohttp import web

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "authorization"})


class Kind(Enum):
    """What may become of a write."""

    KILL_BEFORE = auto()
    """The operator is killed; nothing is forwarded."""
    KILL_AFTER = auto()
    """Forwarded; the operator is killed before it has the answer."""
    DROP = auto()
    """The connection ends; nothing is forwarded."""
    LOSE = auto()
    """Forwarded; the connection ends without an answer."""
    DUPLICATE = auto()
    """Forwarded twice; the second answer counts."""
    ANSWER = auto()
    """Answered with `code`; nothing is forwarded."""
    DELAY = auto()
    """Forwarded after `seconds`."""


@dataclass(frozen=True)
class Fault:
    """What befalls one write."""

    kind: Kind
    code: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Seen:
    """One request of the operator."""

    method: str
    path: str
    watch: bool
    status: int

    @property
    def kind(self) -> str:
        """The resource, for example ``pods`` or ``edgemodels/status``."""
        parts = self.path.split("?", maxsplit=1)[0].strip("/").split("/")
        if "namespaces" in parts[:-2]:
            parts = parts[parts.index("namespaces") + 2 :]
            return "/".join([parts[0], *parts[2:]])
        return parts[-1]


@dataclass
class FaultProxy:
    """`with proxy.listening(): ...`; `faults` by number of the write, `kill` ends the operator and starts another."""

    upstream: str
    context: SSLContext
    faults: dict[int, Fault] = field(default_factory=dict)
    kill: Callable[[], object] = lambda: None
    seen: list[Seen] = field(default_factory=list)
    hit: list[Seen] = field(default_factory=list)
    """Writes that a fault befell."""
    freeze: float = 0.0
    """Seconds for which the next line of a watch is kept back, and all that follow it."""
    hide: Callable[[bytes], bool] = lambda _: False
    """Whether a line of a watch is swallowed, and the watch ended with it."""
    gone: int = 0
    """So many of the next watches are told that they began too far back."""
    url: str = ""
    _writes: int = 0
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _end: asyncio.Event = field(init=False)

    @property
    def writes(self) -> list[Seen]:
        """Writes that were answered, in order, without events (which may be lost without harm)."""
        return [seen for seen in self.seen if seen.method in WRITES]

    @property
    def reads(self) -> list[Seen]:
        """Reads but watches."""
        return [seen for seen in self.seen if seen.method == "GET" and not seen.watch]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve within the block, in a thread of its own."""
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        thread.start()
        ready.wait(10)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            thread.join()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        connector = aiohttp.TCPConnector(ssl=self.context, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            server = web.Server(lambda request: self._handle(session, request), access_log=None)
            runner = web.ServerRunner(server, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await self._end.wait()
            await runner.cleanup()
        await asyncio.sleep(0.25)  # TLS connections end later: aiohttp's page on graceful shutdown

    async def _handle(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(session, request)
        body = await request.read()
        fault = None
        if request.method in WRITES:
            fault = self.faults.get(self._writes)
            self._writes += 1
        if fault is None:
            return await self._forward(session, request, body)
        self.hit.append(Seen(request.method, request.path_qs, False, 0))
        return await self._break(session, request, body, fault)

    async def _break(
        self, session: aiohttp.ClientSession, request: web.BaseRequest, body: bytes, fault: Fault
    ) -> web.StreamResponse:
        match fault.kind:
            case Kind.ANSWER:
                self.seen.append(Seen(request.method, request.path_qs, False, fault.code))
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.code}
                return web.json_response(status | {"message": "injected"}, status=fault.code)
            case Kind.DELAY:
                await asyncio.sleep(fault.seconds)
                return await self._forward(session, request, body)
            case Kind.DUPLICATE:
                await self._forward(session, request, body)
                return await self._forward(session, request, body)
        if fault.kind in (Kind.KILL_AFTER, Kind.LOSE):
            await self._forward(session, request, body)
        if fault.kind in (Kind.KILL_BEFORE, Kind.KILL_AFTER):
            await asyncio.get_running_loop().run_in_executor(None, self.kill)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _forward(self, session: aiohttp.ClientSession, request: web.BaseRequest, body: bytes) -> web.Response:
        url, headers = self.upstream + request.raw_path, _headers(request.headers)
        async with session.request(request.method, url, data=body or None, headers=headers) as answer:
            data = await answer.read()
        self.seen.append(Seen(request.method, request.path_qs, False, answer.status))
        return web.Response(status=answer.status, body=data, headers=_headers(answer.headers))

    async def _watch(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen(request.method, request.path_qs, True, 200))
        if self.gone > 0:
            self.gone -= 1
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}
            return web.json_response({"type": "ERROR", "object": status})  # as the API server's watch cache does
        url = self.upstream + request.raw_path
        async with session.get(url, headers=_headers(request.headers)) as answer:
            relayed = web.StreamResponse(status=answer.status, headers=_headers(answer.headers))
            with suppress(ConnectionError):  # the operator is gone
                await relayed.prepare(request)
                async for line in answer.content:
                    seconds, self.freeze = self.freeze, 0.0
                    await asyncio.sleep(seconds)
                    if self.hide(line):
                        break
                    await relayed.write(line)
        return relayed


def _headers(headers: "aiohttp.typedefs.LooseHeaders") -> dict[str, str]:
    return {name: value for name, value in dict(headers).items() if name.lower() not in HOP}
