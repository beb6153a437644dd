"""Pull and push of whole artifacts."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from edgemodel.bundle import CONFIG, MANIFEST, Blob, BundleError, Manifest, digest_of, parse_manifest
from edgemodel.document import DIGEST_PATTERN
from edgemodel.signature import SIGNATURES
from edgemodel_registry.address import Address, check_tag, parse_address
from edgemodel_registry.download import Progress, fill, missing, reporter, size_of
from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing, DigestMismatch, SettingsInvalid, TooLarge
from edgemodel_registry.folder import check_folder
from edgemodel_registry.login import read_login
from edgemodel_registry.pace import Pace
from edgemodel_registry.signatures import Signatures, attach, own_envelope
from edgemodel_registry.source import LocalFolder, Source
from edgemodel_registry.whole import PARTIAL, write_whole

if TYPE_CHECKING:
    from edgemodel_registry.oci import Repository
    from edgemodel_registry.session import Session


class Client:
    """Reads and writes artifacts; holds no connection between calls, so it may be shared by threads.

    Two pulls into one folder at a time are the caller's mistake.
    """

    def __init__(
        self,
        ca_file: Path | None = None,
        docker_config: Path | None = None,
        timeout: float = 30,
        *,
        bandwidth: int | None = None,
    ) -> None:
        """`ca_file`: authorities to trust besides the system's; `timeout`: seconds, for each connect and each read.

        `bandwidth`: bytes per second that pulls and pushes may take of the network together (None: as fast as it goes).
        """
        self._ca_file = ca_file
        self._docker_config = docker_config
        self._timeout = timeout
        self._pace = Pace(bandwidth) if bandwidth is not None else None

    def pull(  # noqa: PLR0913 - what, where to, and three options
        self,
        uri: str,
        digest: str,
        to: Path,
        *,
        names: Collection[str] | None = None,
        max_bytes: int | None = None,
        progress: Progress | None = None,
    ) -> Manifest:
        """Bring the artifact with this manifest digest into the folder `to`.

        Only the files in `names` are fetched (None: all, and the config); names that the manifest does not have are
        skipped. Each file is resumed where an earlier pull broke off, verified, and put in place at once.
        ``manifest.json`` is written last: where it is, the files asked for are whole. When all are there and whole,
        nothing is asked of the network.

        Args:
            uri: ``oci://…``, ``https://…`` or ``file://…``.
            digest: ``sha256:…`` of the manifest.
            to: the folder; made when missing.
            names: file names.
            max_bytes: the largest sum of the files' sizes that is acceptable.
            progress: called with bytes done and bytes wanted.

        Raises:
            RegistryError: see `edgemodel_registry.errors`.
            OSError: the local disk; with ENOSPC before anything is fetched where it lacks the room.
        """
        _check_digest(digest)
        address = parse_address(uri)
        kept = _local_manifest(to, digest)
        if kept is not None and not missing(to, _wanted(manifest := _parse(kept, digest, uri), names)):
            return manifest
        with self._source(address) as source:
            data = kept or source.read_manifest(digest)
            manifest = _parse(data, digest, uri)
            wanted = _wanted(manifest, names)
            if max_bytes is not None and size_of(wanted) > max_bytes:
                raise TooLarge(f"{uri} {digest}: {size_of(wanted)} bytes, and {max_bytes} are allowed")
            fill(to, wanted, source, progress)
        write_whole(to / MANIFEST, data)
        return manifest

    def resolve(self, uri: str, tag: str) -> str | None:
        """The manifest digest that `tag` of an ``oci://`` repository names now, or None where there is no such tag.

        Raises:
            RegistryError: see `edgemodel_registry.errors`.
        """
        with self._repository(parse_address(uri)) as repository:
            try:
                return digest_of(repository.read_manifest(check_tag(tag)))
            except ArtifactMissing:
                return None

    def push(self, folder: Path, uri: str, tags: Sequence[str] = (), *, progress: Progress | None = None) -> str:
        """Upload an artifact folder to an ``oci://`` repository.

        Blobs first, those it has not; then the manifest, its signatures where there are some, and last the tags: what
        a tag names is signed.

        `progress` is called after each file.

        Returns:
            The manifest's digest, by which it can be pulled from now on.

        Raises:
            ArtifactInvalid: the folder does not match its manifest, or what was signed was another one.
            RegistryError: see `edgemodel_registry.errors`.
        """
        manifest = check_folder(folder)
        data = (folder / MANIFEST).read_bytes()
        digest = digest_of(data)
        envelope = own_envelope(folder, digest)
        with self._repository(parse_address(uri)) as repository:
            wanted = manifest.blobs
            report = reporter(progress, 0, size_of(wanted))
            done = 0
            for name, blob in wanted.items():
                repository.write_blob(folder / name, blob)
                report(done := done + blob.size)
            repository.write_manifest(digest, data)
            if envelope is not None:
                attach(repository, digest, len(data), envelope)
            for tag in map(check_tag, tags):
                repository.write_manifest(tag, data)
        return digest

    def signatures(self, uri: str, digest: str) -> Signatures:
        """What people signed of the artifact with this manifest digest; nothing is checked.

        Raises:
            RegistryError: see `edgemodel_registry.errors`.
        """
        _check_digest(digest)
        with self._source(parse_address(uri)) as source:
            return source.signatures(digest)

    def attach(self, uri: str, digest: str, envelope: bytes) -> None:
        """Put a signature beside an artifact that is in an ``oci://`` repository.

        Raises:
            ArtifactMissing: the artifact is not there.
            RegistryError: see `edgemodel_registry.errors`.
        """
        _check_digest(digest)
        with self._repository(parse_address(uri)) as repository:
            data = repository.read_manifest(digest)
            _parse(data, digest, uri)
            attach(repository, digest, len(data), envelope)

    @contextmanager
    def _source(self, address: Address) -> Iterator[Source]:
        match address.scheme:
            case "oci":
                with self._repository(address) as repository:
                    yield repository
            case "https":
                from edgemodel_registry.https_folder import HttpsFolder  # noqa: PLC0415 (an HTTP library: see the package)

                with self._session(plain_http=False) as session:
                    yield HttpsFolder(address, session)
            case "file":
                yield LocalFolder(address)
            case _:
                assert_never(address.scheme)

    @contextmanager
    def _repository(self, address: Address) -> "Iterator[Repository]":
        from edgemodel_registry.oci import Repository  # noqa: PLC0415 (as above)
        from edgemodel_registry.session import speaks_tls  # noqa: PLC0415 (as above)

        if address.scheme != "oci":
            raise SettingsInvalid(f"{address}: only an oci:// registry takes pushes and has tags")
        file = self._docker_config
        login = read_login(file, address.host, address.path) if file is not None else None
        plain_http = address.loopback and not speaks_tls(address.host, self._timeout)
        with self._session(plain_http=plain_http) as session:
            yield Repository(address, session, login)

    def _session(self, *, plain_http: bool) -> "Session":
        from edgemodel_registry.session import Session  # noqa: PLC0415 (as above)

        return Session(timeout=self._timeout, ca_file=self._ca_file, plain_http=plain_http, pace=self._pace)


def _check_digest(digest: str) -> None:
    if not re.fullmatch(DIGEST_PATTERN, digest):
        raise SettingsInvalid(f"digest: want sha256:<64 hex digits>, got {digest!r:.80}")


def _local_manifest(folder: Path, digest: str) -> bytes | None:
    try:
        data = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    return data if digest_of(data) == digest else None


def _parse(data: bytes, digest: str, uri: str) -> Manifest:
    if (got := digest_of(data)) != digest:
        raise DigestMismatch(f"{uri}: want a manifest with digest {digest}, got {got}")
    try:
        manifest = parse_manifest(data)
    except BundleError as error:
        raise ArtifactInvalid(f"{uri} {digest}: {error}") from error
    for name in manifest.files:
        if name in {MANIFEST, CONFIG, SIGNATURES} or name.endswith(PARTIAL):
            raise ArtifactInvalid(f"{uri} {digest}: {MANIFEST}: a file may not be called {name!r}")
    return manifest


def _wanted(manifest: Manifest, names: Collection[str] | None) -> Mapping[str, Blob]:
    blobs = manifest.blobs
    return blobs if names is None else {name: blob for name, blob in blobs.items() if name in names}
