"""One repository of an OCI registry."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import oras.auth.utils
import oras.provider
import requests

from edgemodel.bundle import TYPE_MANIFEST, Blob
from edgemodel_registry.address import Address
from edgemodel_registry.errors import ArtifactMissing, Refused, Unauthorised
from edgemodel_registry.https_folder import part_of, range_headers
from edgemodel_registry.login import Login
from edgemodel_registry.session import Session, check_status, read_capped
from edgemodel_registry.signatures import TYPE_INDEX, Signatures, find
from edgemodel_registry.source import MANIFEST_LIMIT, Part

_CHUNKED_FROM = 16 * 1024 * 1024
"""Bytes from which a blob goes up in pieces instead of at once from memory."""


class Repository:
    """Reads and writes manifests and blobs; every method raises the errors of `check_status` and `Unreachable`."""

    def __init__(self, address: Address, session: Session, login: Login | None) -> None:
        self.address = address
        self._session = session
        self._oras = _Oras(address, session, login)
        # oras takes a first path segment for the registry only when it has a dot or a port.
        host = address.host if ":" in address.host else f"{address.host}:443"
        self._container = self._oras.get_container(f"{host}/{address.path}")

    def read_manifest(self, reference: str, kind: str = TYPE_MANIFEST) -> bytes:
        """The manifest with this tag or digest, byte for byte."""
        return self._read(self._manifest_url(reference), f"{self.address} {reference}", MANIFEST_LIMIT, kind)

    def read_referrers(self, digest: str, artifact_type: str) -> bytes | None:
        """The index of what names this manifest as its subject; None where the registry lists no referrers."""
        query = urlencode({"artifactType": artifact_type})
        path = f"{self._container.registry}/v2/{self._container.api_prefix}/referrers/{digest}?{query}"
        try:
            return self._read(f"{self._oras.prefix}://{path}", f"{self.address} {digest}", MANIFEST_LIMIT, TYPE_INDEX)
        except (ArtifactMissing, Refused):  # the specification asks for 404; not all keep to it
            return None

    def read_blob(self, blob: Blob) -> bytes:
        """A small blob, unverified, and no more of it than its size."""
        url = f"{self._oras.prefix}://{self._container.get_blob_url(blob.digest)}"
        return self._read(url, f"{self.address} {blob.digest}", blob.size, "*/*")

    def signatures(self, digest: str) -> Signatures:
        """See `edgemodel_registry.signatures.find`."""
        return find(self, digest)

    @contextmanager
    def open(self, name: str, blob: Blob, offset: int) -> Iterator[Part]:
        """The bytes of `blob` from `offset` on, or from the start where the registry knows no ranges."""
        url = f"{self._oras.prefix}://{self._container.get_blob_url(blob.digest)}"
        what = f"{self.address} {name}"
        with self._oras.do_request(url, "GET", headers=range_headers(offset), stream=True) as response:
            yield part_of(response, offset, what, self._session)

    def write_blob(self, path: Path, blob: Blob) -> None:
        """Upload the file unless the repository has it."""
        layer = {"digest": blob.digest, "size": blob.size}
        try:
            self._oras.upload_blob(str(path), self._container, layer, do_chunked=blob.size > _CHUNKED_FROM)
        except ValueError as error:  # oras, when the registry says no place to upload to
            raise Refused(f"{self.address} {path.name}: the registry takes no uploads") from error

    def write_manifest(self, reference: str, data: bytes, kind: str = TYPE_MANIFEST) -> bool:
        """Upload the manifest, byte for byte, under a tag or its digest; whether the registry lists its `subject`."""
        url = self._manifest_url(reference)
        with self._oras.do_request(url, "PUT", data=data, headers={"Content-Type": kind}) as response:
            return "OCI-Subject" in response.headers

    def _read(self, url: str, what: str, limit: int, kind: str) -> bytes:
        with self._oras.do_request(url, "GET", headers={"Accept": kind}, stream=True) as response:
            return read_capped(check_status(response, what), limit, what)

    def _manifest_url(self, reference: str) -> str:
        return f"{self._oras.prefix}://{self._container.manifest_url(reference)}"


class _Oras(oras.provider.Registry):  # type: ignore[misc]  # oras carries no types
    """The oras client without its retries, which sleep for minutes, and with logins that follow the challenge."""

    def __init__(self, address: Address, session: Session, login: Login | None) -> None:
        super().__init__(insecure=session.plain_http)
        self.address = address
        self.session = session
        self.login = login
        self.authorization = ""

    def do_request(  # noqa: PLR0913 - the signature of oras
        self,
        url: str,
        method: str = "GET",
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        """One request, and a second one with a login when the registry asks for it."""
        own = self._is_own(url)

        def send() -> requests.Response:
            login = {"Authorization": self.authorization} if self.authorization and own else {}
            return self.session.request(
                method, url, data=data, json=json, headers={**(headers or {}), **login}, stream=stream
            )

        response = send()
        if response.status_code == requests.codes.unauthorized and own:
            response.close()
            self.authorization = self._answer(response.headers.get("WWW-Authenticate", ""))
            response = send()
        if method in {"POST", "PUT", "PATCH"}:
            check_status(response, str(self.address))
        return response

    def _is_own(self, url: str) -> bool:
        """Whether `url` is at this registry: it may send uploads elsewhere, and the login is for it alone."""
        default = 80 if self.session.plain_http else 443
        name, _, port = self.address.host.partition(":")
        parts = urlsplit(url)
        return (parts.hostname, parts.port or default) == (name, int(port or default))

    def _answer(self, challenge: str) -> str:
        """The Authorization header that answers `challenge`: a login, or a token that a service gives for one."""
        scheme = challenge.partition(" ")[0].lower()
        parsed: Any = oras.auth.utils.parse_auth_header(challenge)
        if scheme == "bearer" and parsed.realm:
            return f"Bearer {self._fetch_token(parsed.realm, service=parsed.service, scope=parsed.scope)}"
        if scheme == "basic" and self.login is not None:
            return f"Basic {oras.auth.utils.get_basic_auth(self.login.user, self.login.password)}"
        raise Unauthorised(f"{self.address}: the registry wants a login and none is configured for it")

    def _fetch_token(self, realm: str, **params: str | None) -> str:
        """https://distribution.github.io/distribution/spec/auth/token/."""
        login = {"auth": (self.login.user, self.login.password)} if self.login is not None else {}
        with self.session.request("GET", realm, params=params, **login) as response:
            what = f"{self.address}: no token from {urlsplit(realm).netloc} {'with' if login else 'without'} a login"
            try:
                answer = check_status(response, what).json()
                return str(answer.get("token") or answer["access_token"])
            except (ValueError, KeyError, AttributeError) as error:
                raise Refused(f"{what}: its answer holds none") from error
