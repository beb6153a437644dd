"""Bundles: a model with what is needed to trust it, as an OCI artifact or a plain folder.

A bundle's folder holds ``manifest.json`` (an OCI image manifest with raw layers, no archives, in the CNCF
ModelPack media types), ``config.json``, ``bundle.json``, ``model.onnx``, ``golden.npz`` and, of a distilled student,
``student.safetensors`` for warm starts and a report for people. Its identity is the sha256 of ``manifest.json``, byte
for byte. Data sets and samples are artifacts of the same shape with one ``.npz`` layer.

Media types: https://github.com/modelpack/model-spec (docs/spec.md, docs/config.md).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from edgemodel.document import DIGEST_PATTERN, Document, describe

MANIFEST, CONFIG, CARD = "manifest.json", "config.json", "bundle.json"
MODEL, GOLDEN, STUDENT = "model.onnx", "golden.npz", "student.safetensors"
DATASET, SAMPLES = "dataset.npz", "samples.npz"
REPORT_MARKDOWN, REPORT_HTML, DRIFT = "report.md", "report.html", "drift.json"

EDGE_FILES = frozenset({CARD, MODEL, GOLDEN})
"""What a node needs; it does not fetch the rest."""

TYPE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TYPE_MODEL = "application/vnd.cncf.model.manifest.v1+json"
TYPE_CONFIG = "application/vnd.cncf.model.config.v1+json"
TYPE_SAMPLES = "application/vnd.edgemodel.samples.v1"
TYPE_DATASET = "application/vnd.edgemodel.dataset.v1"
FILE_PATH = "org.cncf.model.filepath"

LAYER_TYPES: Mapping[str, str] = {
    MODEL: "application/vnd.cncf.model.weight.v1.raw",
    STUDENT: "application/vnd.cncf.model.weight.v1.raw",
    CARD: "application/vnd.cncf.model.weight.config.v1.raw",
    GOLDEN: "application/vnd.cncf.model.dataset.v1.raw",
    DATASET: "application/vnd.cncf.model.dataset.v1.raw",
    SAMPLES: "application/vnd.cncf.model.dataset.v1.raw",
    REPORT_MARKDOWN: "application/vnd.cncf.model.doc.v1.raw",
    REPORT_HTML: "application/vnd.cncf.model.doc.v1.raw",
    DRIFT: "application/vnd.cncf.model.doc.v1.raw",
}

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class BundleError(ValueError):
    """A manifest or card that cannot be trusted; the message names the field."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's sha256 digest (``sha256:…``) and size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says: the artifact's kind, its config blob and its files by name."""

    artifact_type: str
    config: Blob
    files: Mapping[str, Blob]

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """All that it holds by the names they have in a folder: its files and the config."""
        return {**self.files, CONFIG: self.config}


class Tensor(Document):
    """One input or output. `shape` has −1 where a dimension is free; the first is the batch."""

    name: str
    datatype: str
    """Open Inference Protocol name: FP32, INT64, …"""
    shape: tuple[int, ...]


class Scores(Document):
    """What was measured on the holdout when the bundle was made."""

    accuracy: float | None = None
    worst_class_accuracy: float | None = None
    holdout: int | None = None
    """Number of holdout samples."""


class Lineage(Document):
    """Where a distilled bundle comes from; digests of what went in."""

    teacher: str | None = None
    dataset: str | None = None
    samples: tuple[str, ...] = ()
    parent: str | None = None
    config: dict[str, Any] | None = None
    code_version: str | None = None


class Card(Document):
    """``bundle.json``: what the model eats, what it answers, what it scored, where it comes from."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    description: Annotated[str, Field(max_length=4096)] = ""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...] = ()
    output_kind: Annotated[str, Field(pattern="^(logits|probabilities|other)$")] = "logits"
    """Whether a softmax turns the first output into class probabilities."""
    input_scale: Annotated[float, Field(gt=0)] = 1.0
    """Divide raw values by this (255 for bytes) before they go in; applied to image uploads only."""
    scores: Scores = Scores()
    lineage: Lineage = Lineage()


def digest_of(data: bytes) -> str:
    """``sha256:`` and the hexadecimal digest of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def parse_card(data: bytes) -> Card:
    """Read ``bundle.json``.

    Raises:
        BundleError: names each field that is wrong.
    """
    try:
        return Card.model_validate_json(data)
    except ValidationError as error:
        raise BundleError(describe(error, CARD)) from error


def render_config(name: str, files: Mapping[str, Blob]) -> bytes:
    """The ModelPack config blob for `files`; equal input gives equal bytes."""
    config = {
        "descriptor": {"name": name},
        "config": {"format": "onnx"},
        "modelfs": {"type": "layers", "diffIds": [files[f].digest for f in sorted(files)]},
    }
    return _canonical(config)


def render_manifest(files: Mapping[str, Blob], config: Blob, artifact_type: str = TYPE_MODEL) -> bytes:
    """The OCI manifest for `files`; equal input gives equal bytes, so the digest is known before a push."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": TYPE_MANIFEST,
        "artifactType": artifact_type,
        "config": {"mediaType": TYPE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [
            {
                "mediaType": LAYER_TYPES[name],
                "digest": files[name].digest,
                "size": files[name].size,
                "annotations": {FILE_PATH: name},
            }
            for name in sorted(files)
        ],
    }
    return _canonical(manifest)


def parse_manifest(data: bytes, expected_digest: str | None = None) -> Manifest:
    """Read a manifest, distrusting it: digests well-formed, sizes sane, names plain file names, none twice.

    Raises:
        BundleError: names the field, or says that the bytes are not those of `expected_digest`.
    """
    if expected_digest is not None and digest_of(data) != expected_digest:
        raise BundleError(f"{MANIFEST}: want digest {expected_digest}, got {digest_of(data)}")
    try:
        document = json.loads(data)
        layers, config = document["layers"], document["config"]
        files: dict[str, Blob] = {}
        for index, layer in enumerate(layers):
            name = layer.get("annotations", {}).get(FILE_PATH, "")
            if not _SAFE_NAME.fullmatch(name) or name in files:
                raise BundleError(f"{MANIFEST}: layers[{index}]: want a plain, unique file name, got {name!r:.80}")
            files[name] = _blob(layer, f"layers[{index}]")
        return Manifest(str(document.get("artifactType", "")), _blob(config, "config"), files)
    except BundleError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{MANIFEST}: not an OCI image manifest: {error!r:.200}") from error


def sample_tag(namespace: str, model: str, node: str) -> str:
    """The tag under which a node's samples lie in the sink: short, legal for every name, one per node."""
    key = hashlib.sha256(f"{namespace}/{model}/{node}".encode()).hexdigest()[:16]
    return f"samples-{key}"


def _blob(descriptor: Mapping[str, Any], where: str) -> Blob:
    digest, size = descriptor["digest"], descriptor["size"]
    if not isinstance(digest, str) or not re.fullmatch(DIGEST_PATTERN, digest):
        raise BundleError(f"{MANIFEST}: {where}.digest: want sha256:<64 hex digits>, got {digest!r:.80}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BundleError(f"{MANIFEST}: {where}.size: want a size in bytes, got {size!r:.80}")
    return Blob(digest, size)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
