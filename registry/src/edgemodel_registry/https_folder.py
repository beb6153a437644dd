"""A folder behind a web server, as a source of artifacts; and ranges of files over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import requests

from edgemodel.bundle import MANIFEST, Blob
from edgemodel.signature import ENVELOPE_LIMIT, SIGNATURES
from edgemodel_registry.address import Address
from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing, Refused, Unauthorised
from edgemodel_registry.session import Session, check_status, chunks_of, read_capped
from edgemodel_registry.signatures import Signatures
from edgemodel_registry.source import MANIFEST_LIMIT, Part


class HttpsFolder:
    """A folder behind a web server."""

    def __init__(self, address: Address, session: Session) -> None:
        self.address = address
        self._session = session

    def read_manifest(self, reference: str) -> bytes:  # noqa: ARG002 - a folder has one manifest
        return self._read(MANIFEST, MANIFEST_LIMIT)

    def signatures(self, digest: str) -> Signatures:  # noqa: ARG002 - a folder has one manifest
        try:
            return Signatures((self._read(SIGNATURES, ENVELOPE_LIMIT),))
        except (ArtifactMissing, Unauthorised):  # a bucket that may not be listed answers 403 for what is not there
            return Signatures()
        except Refused as error:
            return Signatures(problems=(str(error),))

    def _read(self, name: str, limit: int) -> bytes:
        what = f"{self.address}/{name}"
        with self._session.request("GET", self._url(name), stream=True) as response:
            return read_capped(check_status(response, what), limit, what)

    @contextmanager
    def open(self, name: str, blob: Blob, offset: int) -> Iterator[Part]:  # noqa: ARG002 - a folder knows names
        headers = range_headers(offset)
        with self._session.request("GET", self._url(name), headers=headers, stream=True) as response:
            yield part_of(response, offset, f"{self.address}/{name}", self._session)

    def _url(self, name: str) -> str:
        return f"{self.address}/{quote(name)}"


def range_headers(offset: int) -> dict[str, str]:
    """Ask for the bytes from `offset` on, as they are: compressed ones would have other positions."""
    headers = {"Accept-Encoding": "identity"}
    return headers | {"Range": f"bytes={offset}-"} if offset else headers


def part_of(response: requests.Response, offset: int, what: str, session: Session) -> Part:
    """The bytes of a streamed answer to a request with `range_headers`, at the pace of `session`.

    Raises:
        the errors of `check_status`
    """
    check_status(response, what)
    ranged = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    partial = response.status_code == requests.codes.partial_content
    if partial and not ranged:
        raise ArtifactInvalid(f"{what}: the server answered with another range than the one asked for")
    return Part(offset if partial else 0, session.paced(chunks_of(response, what)))
