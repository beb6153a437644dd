"""A model in the cloud, asked by the Open Inference Protocol over HTTP. Imported where joint inference is on only.

Redirects and proxies are not followed, link-local addresses not asked, no answer larger than expected is read.
"""

import asyncio
import errno
import ipaddress
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from edgemodel.bundle import Tensor
from edgemodel.cloud import Cloud, CloudOutcome
from edgemodel_inference.disk.files import read_capped
from edgemodel_inference.errors import BadRequest, CloudFault
from edgemodel_inference.v2.codec import decode_outputs, encode_inputs
from edgemodel_inference.v2.values import Array
from edgemodel_inference.web.access import Fresh
from edgemodel_registry.trust import trusting

MAX_CONNECTIONS = 16
KEPT_SECONDS = 15.0
"""Longest that an idle connection is kept: less than servers keep theirs, ours 30."""
SECOND_ADDRESS = 0.05
"""Seconds after which the next address of a name is tried as well: two in ten must not take all the time there is."""
SMALL_ANSWER = 64 * 1024
PER_VALUE = 32
"""Bytes of one number as JSON, with room to spare."""
BINARY = "binary_tensor_data"
"""The protocol's extension, as servers list it."""

_LENGTH = "inference-header-content-length"
_TOKEN = re.compile(rb"[\x21-\x7e]{1,8192}")

Content = TypeVar("Content")


class CloudModel:
    """One model at one address. `infer` on one event loop; the rest on any thread."""

    def __init__(self, settings: Cloud) -> None:
        self._url = settings.url
        self._server = settings.url[: settings.url.rindex("/v2/models/") + len("/v2")]
        self._binary: bool | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        token, ca = settings.token_file, settings.ca_file
        self._token = _File("cloud token", token, _read_token) if token else None
        self._ca = _File("cloud CA", ca, trusting) if ca else None
        self._tls = trusting(None) if ca is None else None

    async def infer(self, feeds: Mapping[str, Array], expected: Sequence[Tensor]) -> list[Array]:
        """What it answers, as arrays of exactly the names, datatypes and shapes of `expected`.

        Raises:
            CloudFault: whatever else happens.
        """
        if self._binary is None:
            self._binary = await self._speaks_binary()
        body, json_length = encode_inputs(feeds, [tensor.name for tensor in expected], binary=self._binary)
        headers = {"content-type": "application/json"}
        if json_length is not None:
            headers = {"content-type": "application/octet-stream", _LENGTH: str(json_length)}
        most = SMALL_ANSWER + PER_VALUE * sum(_size(tensor) for tensor in expected)
        answer = await self._send("POST", f"{self._url}/infer", headers, body, most)
        if answer.status != 200:  # noqa: PLR2004 (HTTP's own)
            raise _fault(answer.status)
        try:
            outputs = decode_outputs(answer.body, answer.json_length, expected)
        except BadRequest as error:
            raise CloudFault(CloudOutcome.MISFIT, f"answer: {error}") from error
        return [outputs[tensor.name] for tensor in expected]

    def close(self) -> None:
        """Let its connections go; what is under way fails."""
        session, loop = self._session, self._loop
        if session is not None and loop is not None and not loop.is_closed():
            asyncio.run_coroutine_threadsafe(session.close(), loop)

    async def _speaks_binary(self) -> bool:
        """What its server says of itself; JSON is what every server understands."""
        answer = await self._send("GET", self._server, {}, None, SMALL_ANSWER)
        if answer.status >= 500 or answer.status in {401, 403}:  # noqa: PLR2004 (HTTP's own)
            raise _fault(answer.status)
        try:
            about = orjson.loads(answer.body) if answer.status == 200 else {}  # noqa: PLR2004 (HTTP's own)
        except orjson.JSONDecodeError:
            about = {}
        extensions = about.get("extensions") if isinstance(about, dict) else None
        return isinstance(extensions, list) and BINARY in extensions

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None, most: int) -> "_Answer":
        headers = {**headers, "accept-encoding": "identity"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {_usable(self._token, CloudOutcome.UNAUTHORIZED)}"
        tls = self._tls if self._ca is None else _usable(self._ca, CloudOutcome.UNREACHABLE)
        assert tls is not None  # noqa: S101 (one of the two is there)
        try:
            session = self._open()
            async with session.request(
                method, url, headers=headers, data=body, ssl=tls, allow_redirects=False
            ) as response:
                data = await _read(response, most)
                return _Answer(response.status, data, response.headers.get(_LENGTH))
        except (aiohttp.ClientError, OSError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            why = f"{type(cause).__name__}: {cause}"
            raise CloudFault(CloudOutcome.UNREACHABLE, why, transient=True) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._loop = asyncio.get_running_loop()
            connector = aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                keepalive_timeout=KEPT_SECONDS,
                ttl_dns_cache=60,
                happy_eyeballs_delay=SECOND_ADDRESS,
                socket_factory=_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),  # whoever asks has a deadline for all of it
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session


class _Answer:
    """Status, body, and where the binary part begins."""

    def __init__(self, status: int, body: bytes, json_length: str | None) -> None:
        self.status, self.body = status, body
        known = json_length is not None and json_length.isdecimal() and len(json_length) < 10  # noqa: PLR2004 (of a body)
        self.json_length = int(json_length) if json_length is not None and known else None


class _File(Generic[Content]):
    """What a file says, which may come later and change at any time."""

    def __init__(self, what: str, path: str, load: Callable[[Path], Content]) -> None:
        self.what, self.path = what, Path(path)
        self._load = load
        self._fresh: Fresh[Content] | None = None

    def get(self) -> Content:
        """Its content; raises ValueError or OSError where it never could be read."""
        if self._fresh is None:
            self._fresh = Fresh(self.what, (self.path,), lambda: self._load(self.path))
        return self._fresh.get()


def _usable(file: "_File[Content]", otherwise: CloudOutcome) -> Content:
    try:
        return file.get()
    except (OSError, ValueError) as error:
        raise CloudFault(otherwise, f"{file.what} {file.path}: not usable: {error}") from error


def _read_token(path: Path) -> str:
    token = read_capped(path).strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("want one token and nothing else")
    return token.decode()


def _size(tensor: Tensor) -> int:
    size = 1
    for dimension in tensor.shape:
        size *= dimension
    return size


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            raise CloudFault(CloudOutcome.MISFIT, f"answer: want at most {most} bytes")
    return bytes(data)


def _fault(status: int) -> CloudFault:
    if status >= 500:  # noqa: PLR2004 (HTTP's own)
        return CloudFault(CloudOutcome.SERVER_ERROR, f"answered with {status}", transient=True)
    outcome = CloudOutcome.UNAUTHORIZED if status in {401, 403} else CloudOutcome.REFUSED
    return CloudFault(outcome, f"answered with {status}")


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for one address of `getaddrinfo`, unless it is where machines are asked for their secrets."""
    family, kind, protocol, _, (host, *_) = address
    found = ipaddress.ip_address(host.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if (mapped or found).is_link_local:
        raise OSError(errno.EACCES, f"{found}: a link-local address is not asked")
    return socket.socket(family, kind, protocol)
