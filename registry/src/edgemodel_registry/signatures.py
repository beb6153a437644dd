"""Where signatures of an artifact lie, and how they get there: beside a folder's manifest, or as OCI referrers.

In a registry a signature is an artifact of its own whose `subject` is what it signs
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers). Registries that do not list
referrers get the list as an index under a tag made of the digest: the specification's referrers tag schema.
"""

import json
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from edgemodel.bundle import TYPE_MANIFEST, Blob, digest_of
from edgemodel.document import Digest, Document
from edgemodel.signature import (
    ENVELOPE_LIMIT,
    SIGNATURES,
    TYPE_ENVELOPE,
    TYPE_SIGNATURE,
    SignatureError,
    parse_envelope,
)
from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing, Refused, SignatureInvalid

if TYPE_CHECKING:
    from edgemodel_registry.oci import Repository

TYPE_INDEX = "application/vnd.oci.image.index.v1+json"
TYPE_EMPTY = "application/vnd.oci.empty.v1+json"

MOST = 16
"""Signatures of one artifact that are looked at: more are somebody's attempt to keep us busy."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """What was found: envelopes that nobody has checked yet, and what is wrong with others."""

    envelopes: tuple[bytes, ...] = ()
    problems: tuple[str, ...] = ()


def read_signatures(folder: Path) -> Signatures:
    """What lies beside the manifest in `folder`; nothing, where there is no file of signatures."""
    path = folder / SIGNATURES
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for a writer
            return Signatures(problems=(f"{SIGNATURES}: not a regular file",))
        with path.open("rb") as file:
            return bounded(file.read(ENVELOPE_LIMIT + 1))
    except (FileNotFoundError, NotADirectoryError):
        return Signatures()


def own_envelope(folder: Path, digest: str) -> bytes | None:
    """The envelope beside the manifest in `folder`; None where there is none.

    Raises:
        ArtifactInvalid: it is damaged, or was made for another manifest.
    """
    found = read_signatures(folder)
    try:
        for envelope in found.envelopes:
            parse_envelope(envelope, digest)
            return envelope
    except SignatureError as error:
        raise ArtifactInvalid(f"{folder / SIGNATURES}: {error}; sign it anew, or remove the file") from error
    if found.problems:
        raise ArtifactInvalid(f"{folder}: {found.problems[0]}; sign it anew, or remove the file")
    return None


def bounded(data: bytes) -> Signatures:
    """One envelope, unless it is larger than any."""
    if len(data) > ENVELOPE_LIMIT:
        return Signatures(problems=(f"{SIGNATURES}: larger than {ENVELOPE_LIMIT} bytes",))
    return Signatures((data,))


class _Descriptor(Document):
    digest: Digest
    size: int = Field(ge=0)
    media_type: str = ""
    artifact_type: str = ""


class _Index(Document):
    manifests: tuple[_Descriptor, ...] = ()


class _Manifest(Document):
    artifact_type: str = ""
    layers: tuple[_Descriptor, ...] = Field(min_length=1)


def find(repository: "Repository", digest: str) -> Signatures:
    """The signatures that the registry has of the manifest with this digest.

    Raises:
        RegistryError: see `edgemodel_registry.errors`; a signature that is there and damaged is no error.
    """
    listed = repository.read_referrers(digest, TYPE_SIGNATURE) or _read_tagged(repository, digest)
    try:
        index = _Index.model_validate_json(listed) if listed is not None else _Index()
    except ValidationError:
        return Signatures(problems=("the registry's list of signatures is damaged",))
    envelopes, problems = [], []
    # A registry may leave the filter to us, and under a tag there is none.
    for descriptor in [d for d in index.manifests if d.artifact_type == TYPE_SIGNATURE][:MOST]:
        try:
            envelopes.append(_read(repository, descriptor))
        except (ValidationError, ArtifactMissing, Refused, SignatureInvalid) as error:
            problems.append(f"a signature in the registry is damaged: {_words(error)}")
    return Signatures(tuple(envelopes), tuple(problems))


def attach(repository: "Repository", digest: str, size: int, envelope: bytes) -> None:
    """Put an envelope beside the manifest with this digest and size.

    Raises:
        RegistryError: see `edgemodel_registry.errors`.
    """
    blobs = [_upload(repository, data) for data in (b"{}", envelope)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": TYPE_MANIFEST,
        "artifactType": TYPE_SIGNATURE,
        "config": _described(TYPE_EMPTY, blobs[0]),
        "layers": [_described(TYPE_ENVELOPE, blobs[1])],
        "subject": _described(TYPE_MANIFEST, Blob(digest, size)),
    }
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    blob = Blob(digest_of(data), len(data))
    if not repository.write_manifest(blob.digest, data):
        _list_by_tag(repository, digest, _described(TYPE_MANIFEST, blob) | {"artifactType": TYPE_SIGNATURE})


def _list_by_tag(repository: "Repository", digest: str, entry: Mapping[str, Any]) -> None:
    """What a registry that lists no referrers expects of its clients; others' entries stay."""
    tagged = _read_tagged(repository, digest)
    try:
        index: dict[str, Any] = json.loads(tagged) if tagged else {"schemaVersion": 2, "mediaType": TYPE_INDEX}
        entries = [other for other in index.get("manifests", []) if other["digest"] != entry["digest"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"{repository.address} {_tag(digest)}: want a list of referrers under this tag") from error
    index["manifests"] = [*entries, entry]
    repository.write_manifest(_tag(digest), json.dumps(index, separators=(",", ":")).encode(), TYPE_INDEX)


def _read_tagged(repository: "Repository", digest: str) -> bytes | None:
    try:
        return repository.read_manifest(_tag(digest), TYPE_INDEX)
    except ArtifactMissing:
        return None


def _read(repository: "Repository", descriptor: _Descriptor) -> bytes:
    if descriptor.size > ENVELOPE_LIMIT:
        raise SignatureInvalid(f"larger than {ENVELOPE_LIMIT} bytes")
    data = repository.read_manifest(descriptor.digest)
    if digest_of(data) != descriptor.digest:
        raise SignatureInvalid("its manifest is another one")
    layer = _Manifest.model_validate_json(data).layers[0]
    if layer.media_type != TYPE_ENVELOPE:
        raise SignatureInvalid(f"want {TYPE_ENVELOPE}")
    if layer.size > ENVELOPE_LIMIT:
        raise SignatureInvalid(f"larger than {ENVELOPE_LIMIT} bytes")
    envelope = repository.read_blob(Blob(layer.digest, layer.size))
    if digest_of(envelope) != layer.digest:
        raise SignatureInvalid("its bytes are other ones")
    return envelope


def _words(error: Exception) -> str:
    return "not a manifest" if isinstance(error, ValidationError) else str(error)


def _upload(repository: "Repository", data: bytes) -> Blob:
    blob = Blob(digest_of(data), len(data))
    with tempfile.NamedTemporaryFile() as file:  # oras uploads files
        file.write(data)
        file.flush()
        repository.write_blob(Path(file.name), blob)
    return blob


def _described(kind: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": kind, "digest": blob.digest, "size": blob.size}


def _tag(digest: str) -> str:
    return digest.replace(":", "-")
