"""Artifact folders: written so that they are whole or not there, and checked file by file.

The one place that knows how a bundle, a data set or a batch of samples becomes a folder; the command line, the
distillation Job and the pod's sampler all use it.
"""

import errno
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgemodel.bundle import (
    CARD,
    CONFIG,
    DATASET,
    GOLDEN,
    LAYER_TYPES,
    MANIFEST,
    MODEL,
    SAMPLES,
    TYPE_DATASET,
    TYPE_MODEL,
    TYPE_SAMPLES,
    Blob,
    BundleError,
    Card,
    Manifest,
    digest_of,
    parse_card,
    parse_manifest,
    render_config,
    render_manifest,
)
from edgemodel_registry.arrays import Array, pack_arrays
from edgemodel_registry.errors import ArtifactInvalid, ArtifactMissing
from edgemodel_registry.whole import file_digest, is_whole, sync_folder, write_whole

INPUT, OUTPUT = "input:", "output:"
"""Prefixes of the arrays in ``golden.npz``; a tensor's name follows."""


def write_manifest(folder: Path, name: str, artifact_type: str = TYPE_MODEL) -> str:
    """Write ``config.json`` and ``manifest.json`` for the known files in `folder` and return the digest.

    Known are the names in `edgemodel.bundle.LAYER_TYPES`; other files stay out of the artifact.

    Raises:
        ArtifactInvalid: there is none.
    """
    present = [file for file in LAYER_TYPES if (folder / file).is_file()]
    if not present:
        raise ArtifactInvalid(f"{folder}: none of {', '.join(sorted(LAYER_TYPES))} is there")
    files = {file: Blob(file_digest(folder / file), (folder / file).stat().st_size) for file in present}
    config = render_config(name, files)
    manifest = render_manifest(files, Blob(digest_of(config), len(config)), artifact_type)
    write_whole(folder / CONFIG, config)
    write_whole(folder / MANIFEST, manifest)
    return digest_of(manifest)


def write_bundle(
    folder: Path, card: Card, model: bytes, golden: Mapping[str, Array], extra: Mapping[str, bytes] | None = None
) -> str:
    """Write a bundle as a new folder and return its digest; equal arguments give an equal digest.

    Args:
        folder: must not exist, or be empty; it appears at once with everything in it.
        card: becomes ``bundle.json``.
        model: an ONNX file's bytes; not looked into.
        golden: a small batch, ``input:<name>`` and ``output:<name>`` for each of the card's inputs and outputs.
        extra: further files of `LAYER_TYPES` by name, such as ``student.safetensors``.

    Raises:
        ArtifactInvalid: `golden` does not fit the card, an extra name is not known, or `folder` is not empty.
    """
    check_golden(card, golden)
    files = {MODEL: model, CARD: card.dump().encode(), GOLDEN: pack_arrays(golden), **(extra or {})}
    return _write_folder(folder, files, card.name, TYPE_MODEL)


def write_dataset(folder: Path, name: str, inputs: Array, labels: Array) -> str:
    """Write a labelled data set as a new artifact folder and return its digest.

    Args:
        folder: must not exist, or be empty.
        name: for people.
        inputs: float32 (N, *shape of one input).
        labels: int64 (N,), class numbers from 0.

    Raises:
        ArtifactInvalid: names the array that is wrong.
    """
    check_dataset(inputs, labels)
    return _write_folder(folder, {DATASET: pack_arrays({"inputs": inputs, "labels": labels})}, name, TYPE_DATASET)


def write_samples(folder: Path, name: str, inputs: Array, confidence: Array) -> str:
    """Write unlabelled samples as a new artifact folder and return its digest.

    Args:
        folder: must not exist, or be empty.
        name: for people.
        inputs: float32 (N, *shape of one input).
        confidence: float32 (N,), what the model thought of each.

    Raises:
        ArtifactInvalid: names the array that is wrong.
    """
    _check_inputs(inputs)
    _check_column("confidence", confidence, "float32", len(inputs))
    arrays = {"inputs": inputs, "confidence": confidence}
    return _write_folder(folder, {SAMPLES: pack_arrays(arrays)}, name, TYPE_SAMPLES)


def check_dataset(inputs: Array, labels: Array) -> None:
    """Return when the arrays make a data set (see `write_dataset`).

    Raises:
        ArtifactInvalid: names the array that is wrong.
    """
    _check_inputs(inputs)
    _check_column("labels", labels, "int64", len(inputs))
    if labels.min() < 0:
        raise ArtifactInvalid(f"labels: want class numbers from 0, got {labels.min()}")


def check_golden(card: Card, golden: Mapping[str, Array]) -> None:
    """Return when `golden` has exactly the card's inputs and outputs, all with the same batch.

    Raises:
        ArtifactInvalid: says what is missing or too much.
    """
    wanted = {INPUT + tensor.name for tensor in card.inputs} | {OUTPUT + tensor.name for tensor in card.outputs}
    if golden.keys() != wanted:
        raise ArtifactInvalid(f"{GOLDEN}: want the arrays {sorted(wanted)}, got {sorted(golden)}")


def check_folder(folder: Path) -> Manifest:
    """The manifest of an artifact folder whose every file is whole.

    Raises:
        ArtifactMissing: no ``manifest.json``, or a file of it is not there.
        ArtifactInvalid: names the file that is not what the manifest says.
    """
    try:
        manifest = parse_manifest((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactMissing(f"{folder}: no artifact: {MANIFEST} is not there") from error
    except BundleError as error:
        raise ArtifactInvalid(f"{folder}: {error}") from error
    for name, blob in manifest.blobs.items():
        if not (folder / name).exists():
            raise ArtifactMissing(f"{folder}: {name} is not there")
        if not is_whole(folder / name, blob):
            raise ArtifactInvalid(f"{folder}: {name} is not the file that {MANIFEST} names ({blob.digest})")
    return manifest


def read_card(folder: Path) -> Card:
    """The bundle's card.

    Raises:
        ArtifactMissing: there is none.
        ArtifactInvalid: names the field that is wrong.
    """
    try:
        return parse_card((folder / CARD).read_bytes())
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{folder}: {CARD} is not there: not a bundle") from error
    except BundleError as error:
        raise ArtifactInvalid(f"{folder}: {error}") from error


def _check_inputs(inputs: Array) -> None:
    if inputs.dtype != np.float32 or inputs.ndim < 2 or not inputs.size:  # noqa: PLR2004 - the batch and the input
        raise ArtifactInvalid(f"inputs: want float32 (N, …) with N > 0, got {inputs.dtype} {inputs.shape}")
    if not np.isfinite(inputs).all():
        raise ArtifactInvalid("inputs: want finite numbers, got NaN or infinity")


def _check_column(name: str, column: Array, dtype: str, length: int) -> None:
    if column.dtype != np.dtype(dtype) or column.shape != (length,):
        raise ArtifactInvalid(f"{name}: want {dtype} ({length},), got {column.dtype} {column.shape}")


def _write_folder(folder: Path, files: Mapping[str, bytes], name: str, artifact_type: str) -> str:
    if unknown := files.keys() - LAYER_TYPES.keys():
        raise ArtifactInvalid(f"{folder}: want files of {sorted(LAYER_TYPES)}, got {sorted(unknown)}")
    with _appearing(folder) as temporary:
        for file, data in files.items():
            write_whole(temporary / file, data)
        return write_manifest(temporary, name, artifact_type)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its name when all went well, and goes away otherwise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    temporary.mkdir()
    try:
        yield temporary
        _rename(temporary, folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise ArtifactInvalid(f"{folder}: is there already; name another folder, or remove it") from error
        raise
