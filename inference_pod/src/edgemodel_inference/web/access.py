"""Who may ask, and over what: the server's certificate and the bearer tokens, from files that may change any time.

A file that cannot be used any more (half written, key and certificate of different pairs) changes nothing: what was
read before stays valid until there is something better, and a log line says so.
"""

import hashlib
import hmac
import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from edgemodel_inference import logs
from edgemodel_inference.config.settings import Settings
from edgemodel_inference.disk.files import Stamp, read_capped, stamp_of
from edgemodel_inference.errors import SettingsError, Unauthorized

LOOK_SECONDS = 1.0
"""A changed file is seen after so long, at the next use."""
SHORTEST_TOKEN = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/-]{{{SHORTEST_TOKEN},512}}=*")
"""What may stand in a header: RFC 6750, section 2.1."""
_SCHEME = b"bearer "

log = logs.Log("edgemodel.access")

Content = TypeVar("Content")


class Fresh(Generic[Content]):
    """What files say, read again when they have changed."""

    def __init__(self, what: str, paths: tuple[Path, ...], load: Callable[[], Content]) -> None:
        """`load` raises ValueError or OSError where the files cannot be used.

        Raises:
            ValueError, OSError: they cannot be used now.
        """
        self._what, self._paths, self._load = what, paths, load
        self._seen = [stamp_of(path) for path in paths]
        self._content = load()
        self._look_at = time.monotonic() + LOOK_SECONDS

    def get(self) -> Content:
        """What they said when they could last be read."""
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            stamps = [stamp_of(path) for path in self._paths]
            if stamps != self._seen:
                self._read(stamps)
        return self._content

    def _read(self, stamps: list[Stamp | None]) -> None:
        self._seen = stamps
        try:
            self._content = self._load()
        except (ValueError, OSError) as error:
            log.warning("changed file not usable, the old content stays valid", what=self._what, error=str(error))
        else:
            log.info("changed file read", what=self._what)


class Tokens:
    """Bearer tokens, one per line of a file; several, so that callers can change theirs one after the other."""

    def __init__(self, path: Path, refused: Callable[[], None] = lambda: None) -> None:
        """Read `path`; raises ValueError or OSError where it cannot be used. `refused` hears of each caller without."""
        self._refused = refused
        self._digests = Fresh("tokens", (path,), lambda: parse_tokens(read_capped(path)))

    def check(self, authorization: bytes | None) -> None:
        """Look at the value of an Authorization header, in a time that does not depend on the tokens.

        Raises:
            Unauthorized: it holds no valid token.
        """
        given = authorization or b""
        digest = hashlib.sha256(given[len(_SCHEME) :].strip()).digest()
        valid = sum(hmac.compare_digest(digest, known) for known in self._digests.get())
        if given[: len(_SCHEME)].lower() != _SCHEME or not valid:
            self._refused()
            raise Unauthorized("Authorization: want a bearer token that is valid here")


def parse_tokens(data: bytes) -> tuple[bytes, ...]:
    """SHA-256 of each token in `data`.

    Raises:
        ValueError: names the first line that holds no token, never what stands there.
    """
    digests = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        token = line.strip()
        if not token:
            continue
        if not _TOKEN.fullmatch(token):
            raise ValueError(
                f"line {number}: want one token of at least {SHORTEST_TOKEN} letters and digits, "
                "as openssl rand -hex 32 makes them"
            )
        digests.append(hashlib.sha256(token.encode()).digest())
    if not digests:
        raise ValueError("want at least one token")
    return tuple(digests)


class _Renewing(ssl.SSLContext):
    """Makes each connection with the certificate that the files hold now; open connections keep theirs."""

    pairs: "Fresh[ssl.SSLContext]"

    def wrap_bio(self, *arguments: "object", **options: "object") -> ssl.SSLObject:
        """Called by the event loop for each connection."""
        return self.pairs.get().wrap_bio(*arguments, **options)  # type: ignore[arg-type]  # passed through as they are


def tls(certificate: Path, key: Path, protocol: str) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that is read again when it is renewed.

    `protocol` is spoken over it, by its name in ALPN.

    Raises:
        ValueError, OSError: the files cannot be used.
    """
    context = _Renewing(ssl.PROTOCOL_TLS_SERVER)
    context.pairs = Fresh("certificate", (certificate, key), lambda: _load_pair(certificate, key, protocol))
    return context


def _load_pair(certificate: Path, key: Path, protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols([protocol])
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise ValueError(f"want a PEM certificate and its key: {error.reason or error}") from error
    return context


def read_tls(settings: Settings, protocol: str = "http/1.1") -> ssl.SSLContext | None:
    """TLS as the settings want it, for `protocol`.

    Raises:
        SettingsError: the files cannot be used.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return tls(settings.tls_cert, settings.tls_key, protocol)
    except (ValueError, OSError) as error:
        raise SettingsError(f"EDGEMODEL_TLS_CERT, EDGEMODEL_TLS_KEY: {error}") from error


def read_tokens(settings: Settings, refused: Callable[[], None] = lambda: None) -> Tokens | None:
    """The tokens that the settings name; None: everyone may ask. `refused`: see `Tokens`.

    Raises:
        SettingsError: the file cannot be used.
    """
    if settings.tokens is None:
        return None
    try:
        return Tokens(settings.tokens, refused)
    except (ValueError, OSError) as error:
        raise SettingsError(f"EDGEMODEL_TOKENS: {error}") from error
