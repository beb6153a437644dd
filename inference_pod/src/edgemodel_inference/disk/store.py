"""Bundles on disk, one folder per digest: whole or not there, bounded, what is in use pinned."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from edgemodel.bundle import CARD, EDGE_FILES, GOLDEN, MANIFEST, MODEL, BundleError, parse_manifest
from edgemodel.wish import Artifact
from edgemodel_inference import logs
from edgemodel_inference.errors import Refused, Unreachable
from edgemodel_registry import RegistryError, Signatures
from edgemodel_registry.signatures import read_signatures
from edgemodel_registry.whole import is_whole

_PROVED = ".proved"

if TYPE_CHECKING:
    from edgemodel_registry import Client

log = logs.Log("edgemodel.store")


class Store:
    """The folder ``models``. Written by one thread at a time (see `agent`)."""

    def __init__(self, folder: Path, limit: int, client: "Callable[[], Client]") -> None:
        """`limit`: bytes to keep; what is pinned is kept beyond it. `client` is asked for when something is fetched."""
        self._folder = folder
        self._limit = limit
        self._client = client
        folder.mkdir(parents=True, exist_ok=True)

    def folder(self, digest: str) -> Path:
        """Where the bundle with this digest lies, or would."""
        return self._folder / digest.removeprefix("sha256:")

    def has(self, digest: str) -> bool:
        """Whether the bundle is here with every byte that its digest names."""
        folder = self.folder(digest)
        try:
            manifest = parse_manifest((folder / MANIFEST).read_bytes(), digest)
            return all(is_whole(folder / name, blob) for name, blob in manifest.files.items() if name in EDGE_FILES)
        except (OSError, BundleError):
            return False

    def fetch(self, artifact: Artifact, progress: Callable[[int, int], None]) -> Path:
        """Bring `artifact` here and return its folder; `progress` may raise to break off.

        Raises:
            Refused: what the origin has is not what the wish names, or is no servable bundle.
            Unreachable: the origin or the disk cannot serve now.
        """
        folder = self.folder(artifact.digest)
        try:
            manifest = self._client().pull(
                artifact.uri, artifact.digest, folder, names=EDGE_FILES, max_bytes=self._limit, progress=progress
            )
        except RegistryError as error:
            kind = Unreachable if error.retryable else Refused
            raise kind(type(error).__name__, str(error)) from error
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise Unreachable("DiskFull" if full else "DiskTrouble", str(error)) from error
        for name, code in ((MODEL, "ModelMissing"), (CARD, "CardInvalid"), (GOLDEN, "GoldenMissing")):
            if name not in manifest.files:
                raise Refused(code, f"{name}: not in the artifact")
        return folder

    def signatures(self, digest: str) -> Signatures:
        """What is here of the artifact's signatures; the rest of it need not be here."""
        return read_signatures(self.folder(digest))

    def keep_signatures(self, digest: str, found: Signatures) -> None:
        """Write the artifact's signatures to the disk.

        Raises:
            OSError: they cannot be written.
        """
        from edgemodel_registry.signing import keep  # noqa: PLC0415 (cryptography, which only signatures need)

        self.folder(digest).mkdir(exist_ok=True)
        keep(self.folder(digest), digest, found)

    def is_proved(self, digest: str) -> bool:
        """Whether the bundle passed the jail on this node."""
        return self._proof(digest).exists()

    def mark_proved(self, digest: str) -> None:
        """Remember that the bundle passed the jail."""
        self._proof(digest).touch()

    def touch(self, digest: str) -> None:
        """Remember that the bundle was used after all others, also where the clock was ahead when those were."""
        last = max(path.stat().st_mtime for path in self._folder.iterdir())
        moment = max(time.time(), last + 1)
        os.utime(self.folder(digest), (moment, moment))

    def discard(self, digest: str) -> None:
        """Forget the bundle."""
        self._proof(digest).unlink(missing_ok=True)
        shutil.rmtree(self.folder(digest), ignore_errors=True)

    def make_room(self, pinned: Collection[str]) -> None:
        """Discard every bundle but those in `pinned`, and what is left of downloads that broke off."""
        self._shrink(0, pinned)

    def evict(self, pinned: Collection[str]) -> None:
        """Discard the longest unused bundles beyond the limit, never one of the digests in `pinned`."""
        self._shrink(self._limit, pinned)

    def _shrink(self, limit: int, pinned: Collection[str]) -> None:
        sizes = {path: _size(path) for path in self._folder.iterdir() if path.is_dir()}
        total = sum(sizes.values())
        keep = {self.folder(digest) for digest in pinned}
        for path in sorted(sizes.keys() - keep, key=lambda p: p.stat().st_mtime):
            if total <= limit:
                return
            log.info("evicted", digest=path.name, bytes=sizes[path])
            self.discard(path.name)
            total -= sizes[path]

    def _proof(self, digest: str) -> Path:
        folder = self.folder(digest)
        return folder.with_name(folder.name + _PROVED)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
