"""An HTTP session that cannot hang, keeps to TLS, and translates errors."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3.exceptions

from edgemodel_registry.address import is_loopback
from edgemodel_registry.errors import (
    ArtifactMissing,
    CertificateUntrusted,
    ConnectionRefused,
    NameUnresolved,
    Refused,
    RegistryError,
    SettingsInvalid,
    Unauthorised,
    Unreachable,
)
from edgemodel_registry.pace import CHUNK, Pace, PacedBody
from edgemodel_registry.trust import trusting

_LATER = frozenset({408, 425, 429})


class Session(requests.Session):
    """Every request has a timeout (seconds, per connect and per read), also those that oras makes by itself.

    Plain HTTP is possible only where `plain_http` says so, and then only to this machine: neither a redirect nor
    a token service that a registry names can lead a login or a download out of TLS.
    """

    def __init__(self, *, timeout: float, ca_file: Path | None, plain_http: bool, pace: Pace | None = None) -> None:
        super().__init__()
        self.timeout = timeout
        self._pace = pace
        self.auth = _untouched
        self.plain_http = plain_http
        self.mount("https://", _Https(_trust(ca_file)))
        self.mount("http://", _PlainHttp(allowed=plain_http))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """As `requests.Session.request`.

        Raises:
            Unreachable: no answer.
        """
        kwargs.setdefault("timeout", self.timeout)
        if self._pace is not None and isinstance(data := kwargs.get("data"), bytes) and data:
            kwargs["data"] = PacedBody(data, self._pace)
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.RequestException as error:
            raise _unreachable(urlsplit(str(url)).netloc, error) from error

    def paced(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """`chunks`, no faster than the bandwidth that this session may use."""
        return chunks if self._pace is None else self._pace.passing(chunks)


def speaks_tls(host: str, timeout: float) -> bool:
    """Whether the server at ``host[:port]`` answers a TLS greeting; who it is does not matter here.

    Raises:
        Unreachable: no answer.
    """
    name, _, port = host.partition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # knows no authorities, which take a while to load
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((name, int(port or 443)), timeout) as connection,
            context.wrap_socket(connection, server_hostname=name),
        ):
            return True
    except ssl.SSLError:
        return False
    except OSError as error:
        raise _unreachable(host, error) from error


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return trusting(ca_file)
    except OSError as error:
        raise SettingsInvalid(f"{ca_file}: no usable CA file: {error.strerror or error}") from error


class _Https(requests.adapters.HTTPAdapter):
    """Believes what `context` does, besides the authorities that requests brings."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=self._context)


class _PlainHttp(requests.adapters.HTTPAdapter):
    def __init__(self, *, allowed: bool) -> None:
        super().__init__()
        self.allowed = allowed

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        host = urlsplit(str(request.url)).hostname or ""
        if not (self.allowed and is_loopback(host)):
            raise Refused(f"{host}: refused to go on without TLS")
        return super().send(request, *args, **kwargs)


def check_status(response: requests.Response, what: str) -> requests.Response:
    """Return `response` when it is a success; `what` is the subject of the error's message.

    Raises:
        ArtifactMissing: 404.
        Unauthorised: 401, 403.
        Unreachable: 408, 425, 429, 5xx.
        Refused: any other error.
    """
    status = response.status_code
    if status < requests.codes.bad_request:
        return response
    kind: type[RegistryError] = Refused
    if status == requests.codes.not_found:
        kind = ArtifactMissing
    elif status in {requests.codes.unauthorized, requests.codes.forbidden}:
        kind = Unauthorised
    elif status in _LATER or status >= requests.codes.internal_server_error:
        kind = Unreachable
    raise kind(f"{what}: the server answered {status} {response.reason}")


def read_capped(response: requests.Response, limit: int, what: str) -> bytes:
    """The body of a streamed `response`.

    Raises:
        Refused: it is larger than `limit` bytes.
        Unreachable: the connection broke.
    """
    data = bytearray()
    for chunk in chunks_of(response, what):
        data += chunk
        if len(data) > limit:
            raise Refused(f"{what}: larger than {limit} bytes")
    return bytes(data)


def chunks_of(response: requests.Response, what: str) -> Iterator[bytes]:
    """The body of a streamed `response`, piece by piece.

    Raises:
        Unreachable: the connection broke.
    """
    try:
        yield from response.iter_content(CHUNK)
    except requests.RequestException as error:
        raise Unreachable(f"{what}: the connection broke: {_reason(error)}") from error


def _untouched(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An authentication that does nothing; without one, requests would take logins from ~/.netrc."""
    return request


_KINDS: Mapping[type[BaseException], type[Unreachable]] = {
    ssl.SSLCertVerificationError: CertificateUntrusted,
    socket.gaierror: NameUnresolved,
    ConnectionRefusedError: ConnectionRefused,
}

_OUT_OF_DATE = frozenset({9, 10})
"""OpenSSL's codes for a certificate that is not yet valid, and for one that has expired."""


def _unreachable(what: str, error: Exception) -> Unreachable:
    causes = list(_causes(error))
    kind = next((_KINDS[type(cause)] for cause in causes if type(cause) in _KINDS), Unreachable)
    return kind(f"{what}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """The innermost cause: outer ones repeat the URL, which may carry a signature."""
    *_, cause = _causes(error)
    if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _OUT_OF_DATE:
        # A small machine without a battery for its clock wakes up in 1970.
        return f"{cause}; the clock here says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return str(cause) or type(cause).__name__


def _causes(error: Exception) -> Iterator[BaseException]:
    """`error` and what of the network led to it, outermost first."""
    network = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = cause.__cause__ or cause.__context__
        cause = inner if isinstance(inner, network) else None
