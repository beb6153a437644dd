"""A Prometheus behind a login and a certificate of its own: over real HTTP, and the token is told to nobody else."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from edgemodel_operator.errors import SignalError
from edgemodel_operator.signals.access import Access
from edgemodel_operator.signals.sources import Prometheus
from lab.pki import Authority

NOTHING = {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
def login(tmp_path: Path) -> Access:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    return Access(token_file=token)


def guarded() -> web.Application:
    """Lets in who shows the token."""

    async def query(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == "Bearer s3cret"
        return web.json_response(NOTHING) if known else web.Response(status=401, text="log in")

    app = web.Application()
    app.router.add_post("/api/v1/query", query)
    return app


def rewrite(login: Access, text: str | None) -> None:
    assert login.token_file is not None
    login.token_file.unlink() if text is None else login.token_file.write_text(text)


async def test_a_token_is_shown_and_a_new_one_counts_at_once(session: ClientSession, login: Access) -> None:
    async with TestServer(guarded()) as server:
        source = Prometheus(session, str(server.make_url("/")), login)
        rewrite(login, "older")
        with pytest.raises(SignalError, match=r"answered 401.*prometheus\.existingSecret"):
            await source.read()
        rewrite(login, "s3cret")
        assert await source.read() == []


@pytest.mark.parametrize("text", [None, "", "two words", "s3cret\nX-Other: 1", "s\u00e9cret"])
async def test_a_token_that_cannot_be_shown_is_named_by_its_file(
    session: ClientSession, login: Access, text: str | None
) -> None:
    rewrite(login, text)
    with pytest.raises(SignalError, match=r"the token for Prometheus, .*/token: ") as caught:
        await Prometheus(session, "http://127.0.0.1:1", login).read()
    assert "cret" not in str(caught.value)


async def test_what_goes_wrong_tells_nobody_the_token(session: ClientSession, login: Access) -> None:
    async def junk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 2000000 junk\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(junk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(SignalError, match="did not answer") as caught:
            await Prometheus(session, f"http://127.0.0.1:{port}", login).read()
    assert "s3cret" not in str(caught.value)


async def test_a_certificate_of_ones_own_is_believed(session: ClientSession, login: Access, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.ensure()
    pair = authority.issue("prometheus", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = TestServer(guarded(), scheme="https")
    await server.start_server(ssl=context)
    url = str(server.make_url("/"))
    with pytest.raises(SignalError, match="CERTIFICATE_VERIFY_FAILED"):
        await Prometheus(session, url, login).read()
    assert await Prometheus(session, url, Access(login.token_file, authority.certificate)).read() == []
    await server.close()


@pytest.mark.parametrize("text", [None, "", "no certificate"])
async def test_a_file_without_certificates_is_named(session: ClientSession, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.crt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SignalError, match=r"the authorities for Prometheus, .*/ca\.crt: want PEM certificates"):
        await Prometheus(session, "https://127.0.0.1:1", Access(ca_file=file)).read()
