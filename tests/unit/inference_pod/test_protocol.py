"""A request's head is read up to a size and for a time, an answer waits so long; who keeps to that notices nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from edgemodel_inference.model.models import Model
from edgemodel_inference.web import bodies, protocol
from edgemodel_inference.web.protocol import MAX_HEAD, Protocol
from tests.unit.inference_pod.desk import Desk

PATIENCE = 0.3
"""Seconds that the server waits for a head here."""


LARGE = 8 * 1024 * 1024
"""Bytes of an answer that no socket's buffers hold."""


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", PATIENCE)
    monkeypatch.setattr(protocol, "ANSWER_SECONDS", PATIENCE)
    async with serving(answer) as port:
        yield port


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """Our HTTP protocol before `app`; its port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Protocol, ws="none", lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event)
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def say(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Everything that the server answers to `pieces` until it closes; it may well do so before it has read all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    listening = asyncio.create_task(_listen(reader))
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
    said = await asyncio.wait_for(listening, 10)
    writer.close()
    return said


async def _listen(reader: asyncio.StreamReader) -> bytes:
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(4096):
            said += part
    return said


GET = b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("head", [b"", b"GE", b"GET / HTTP/1.1\r\nHo", b"\r\n"])
async def test_a_caller_that_does_not_finish_its_head_is_cut(port: int, head: bytes) -> None:
    assert await say(port, head) == b""


async def test_a_caller_that_drips_its_second_head_is_cut(port: int) -> None:
    said = await say(port, GET, *([b"G", b"E", b"T", b" "] + [b"/"] * 8), pause=PATIENCE / 4)
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("pieces", [1, 8])
async def test_a_head_that_is_too_large_is_refused(port: int, pieces: int) -> None:
    part = b"a" * (2 * MAX_HEAD // pieces)
    said = await say(port, b"GET / HTTP/1.1\r\nX: ", *[part] * pieces, b"\r\n\r\n", pause=0.01)
    assert said.startswith(b"HTTP/1.1 431 ")


async def test_who_comes_when_there_are_too_many_is_told_so_and_later_served(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 1)
    _, first = await asyncio.open_connection("127.0.0.1", port)
    assert (await say(port, LAST)).startswith(b"HTTP/1.1 503 ")
    first.close()
    async with asyncio.timeout(10):
        while not (await say(port, LAST)).startswith(b"HTTP/1.1 200 "):
            pass


async def test_requests_within_the_limits_are_answered_one_after_the_other_and_at_once(port: int) -> None:
    assert (await say(port, GET, GET, LAST, pause=PATIENCE / 2)).count(b"200 OK") == 3
    assert (await say(port, GET + GET + LAST)).count(b"200 OK") == 3


async def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
    assert (await say(port, head, b"a", b"b", b"c", b"d", pause=PATIENCE / 2)).count(b"200 OK") == 1


@pytest.mark.parametrize("path", ["/v2/models/tiny/infer", "/predict"])
async def test_a_caller_that_drips_its_body_is_told_so_and_cut(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", PATIENCE)
    head = f"POST {path} HTTP/1.1\r\nHost: pod\r\nContent-Length: 1000\r\n\r\n".encode()
    async with serving(Desk(tiny_model).app) as port:
        said = await say(port, head, *[b" "] * 8, pause=PATIENCE / 4)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"].startswith("body: want all of it within")


@pytest.mark.parametrize("end", ["keep-alive", "close"])
async def test_a_caller_that_does_not_read_its_answer_is_cut(port: int, end: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /large HTTP/1.1\r\nHost: pod\r\nConnection: %b\r\n\r\n" % end.encode())
    await reader.readexactly(100)
    await asyncio.sleep(3 * PATIENCE)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(LARGE), 10)
    writer.close()


async def test_a_caller_that_reads_its_answer_in_time_gets_all_of_it_and_may_go_on(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /large HTTP/1.1\r\nHost: pod\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(LARGE)
        await asyncio.sleep(PATIENCE / 2)
    writer.close()
