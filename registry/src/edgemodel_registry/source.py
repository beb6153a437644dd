"""What an artifact can be read from, and the plainest kind: a folder on this machine, which needs no HTTP library."""

import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from edgemodel.bundle import MANIFEST, Blob
from edgemodel_registry.address import Address
from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing
from edgemodel_registry.pace import CHUNK
from edgemodel_registry.signatures import Signatures, read_signatures

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Registries accept manifests up to this size: the distribution specification's recommendation."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file from position `start` on."""

    start: int
    chunks: Iterator[bytes]


class Source(Protocol):
    """Unverified bytes of one artifact."""

    def read_manifest(self, reference: str) -> bytes:
        """The manifest with this digest (a registry also takes a tag; a folder has only one manifest)."""

    def signatures(self, digest: str) -> Signatures:
        """What people signed of the manifest with this digest."""

    def open(self, name: str, blob: Blob, offset: int) -> AbstractContextManager[Part]:
        """The bytes of a file, from `offset` on where the source can, else from the start."""


class LocalFolder:
    """A folder on this machine: a mounted volume, or what `write_bundle` made."""

    def __init__(self, address: Address) -> None:
        self._path = Path(address.path)

    def read_manifest(self, reference: str) -> bytes:  # noqa: ARG002 - a folder has one manifest
        with self._open(MANIFEST) as file:
            return file.read(MANIFEST_LIMIT)

    def signatures(self, digest: str) -> Signatures:  # noqa: ARG002 - a folder has one manifest
        return read_signatures(self._path)

    @contextmanager
    def open(self, name: str, blob: Blob, offset: int) -> Iterator[Part]:  # noqa: ARG002 - a folder knows names
        with self._open(name) as file:
            file.seek(offset)
            yield Part(offset, iter(lambda: file.read(CHUNK), b""))

    def _open(self, name: str) -> BinaryIO:
        path = self._path / name
        try:
            # Opening a FIFO would wait for a writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ArtifactInvalid(f"{path}: not a regular file")
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArtifactMissing(f"{path}: no such file") from error
