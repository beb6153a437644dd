"""Brings in what the order names: teacher, data set, edge samples, serving student."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemodel.bundle import CARD, DATASET, MODEL, SAMPLES, STUDENT, Manifest, digest_of
from edgemodel.distillation import Order, SampleSource, Source
from edgemodel_distill import errors
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.data import Floats, Labelled, read_dataset, read_samples, unique, unique_labelled
from edgemodel_distill.errors import translating
from edgemodel_distill.trust import check_signed
from edgemodel_registry import ArtifactInvalid, ArtifactMissing, Client
from edgemodel_registry.folder import read_card
from edgemodel_registry.whole import write_whole

TEACHER = "teacher"
"""The teacher's folder in the work folder."""

MAX_MODEL, MAX_DATASET, MAX_SAMPLES = 2 * 1024**3, 1024**3, 128 * 1024**2
"""Bytes that one artifact may have; samples are a node's, those that a person names may be as many as a data set."""


@dataclass(frozen=True, slots=True)
class EdgeSamples:
    """Unlabelled inputs from the edge without repetitions, the artifacts they came in, and those that were no good."""

    inputs: Floats
    digests: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Parent:
    """The student that serves now, and its weights where the bundle has them."""

    classifier: Classifier
    weights: Path | None


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Everything that a distillation starts from."""

    teacher: Classifier
    dataset: Labelled
    edge: EdgeSamples
    parent: Parent | None
    repeated: int = 0
    """Labelled and edge samples that were there already, and are left out."""


def fetch(order: Order, client: Client, work: Path, threads: int) -> Ingredients:
    """Pull everything that `order` names into the folder `work`, and check that it fits together.

    Raises:
        DistillError: names the artifact.
    """
    _check_signatures(order, client)
    teacher = _teacher(order.teacher, client, work / TEACHER, threads)
    dataset = _dataset(order.dataset, client, work / "dataset")
    _check_dataset(dataset, teacher)
    parent = None
    if order.parent is not None:
        parent = _parent(order.parent, client, work / "parent", threads)
        _check_parent(parent.classifier, teacher)
    edge = _edge(order, client, work / "samples", teacher.input_shape)
    known = unique_labelled(dataset)
    return Ingredients(teacher, known, edge, parent, edge.repeated + len(dataset) - len(known))


def _check_signatures(order: Order, client: Client) -> None:
    """Of what people made, before any of it is fetched; what nodes sampled has no key, and no labels either."""
    missing = {
        "teacher": (order.teacher, errors.TeacherMissing),
        "dataset": (order.dataset, errors.DatasetMissing),
        "parent": (order.parent, errors.ParentMissing),
    }
    for what, (source, kind) in missing.items():
        if source is not None:
            with translating(what, missing=kind, invalid=errors.SignatureInvalid):
                check_signed(order, source, client)


def _teacher(source: Source, client: Client, folder: Path, threads: int) -> Classifier:
    with translating("teacher", missing=errors.TeacherMissing, invalid=errors.TeacherInvalid):
        manifest = client.pull(source.uri, source.digest, folder, names={CARD, MODEL}, max_bytes=MAX_MODEL)
        return _classifier(folder, manifest, threads, errors.TeacherInvalid)


def _parent(source: Source, client: Client, folder: Path, threads: int) -> Parent:
    with translating("parent", missing=errors.ParentMissing, invalid=errors.ParentInvalid):
        manifest = client.pull(source.uri, source.digest, folder, names={CARD, MODEL, STUDENT}, max_bytes=MAX_MODEL)
        return Parent(
            _classifier(folder, manifest, threads, errors.ParentInvalid),
            folder / STUDENT if STUDENT in manifest.files else None,
        )


def _dataset(source: Source, client: Client, folder: Path) -> Labelled:
    with translating("dataset", missing=errors.DatasetMissing, invalid=errors.DatasetInvalid):
        client.pull(source.uri, source.digest, folder, names={DATASET}, max_bytes=MAX_DATASET)
        return read_dataset(folder)


def _edge(order: Order, client: Client, folder: Path, shape: tuple[int, ...]) -> EdgeSamples:
    found = _nodes_samples(order, order.samples, client, folder, shape) if order.samples is not None else []
    parts: list[Floats] = [np.empty((0, *shape), np.float32)]
    digests, skipped = [], []
    for tag, digest, samples in found:
        if isinstance(samples, str):
            skipped.append(f"{tag}: {samples}")
        else:
            parts.append(samples)
            digests.append(digest)
    with translating("edge", missing=errors.SamplesMissing, invalid=errors.SamplesInvalid):
        for source in order.edge:
            to = folder / source.digest.removeprefix("sha256:")
            client.pull(source.uri, source.digest, to, names={SAMPLES}, max_bytes=MAX_DATASET)
            parts.append(read_samples(to, shape))
            digests.append(source.digest)
    together = np.concatenate(parts)
    inputs = unique(together)
    return EdgeSamples(inputs, tuple(digests), tuple(skipped), len(together) - len(inputs))


def _nodes_samples(
    order: Order, source: SampleSource, client: Client, folder: Path, shape: tuple[int, ...]
) -> list[tuple[str, str, Floats | str]]:
    """Tag, digest and samples of each node, or why there are none: a node may be gone or may have pushed rubbish."""
    found: list[tuple[str, str, Floats | str]] = []
    with translating("samples", missing=errors.InternalError, invalid=errors.InternalError):
        for tag, digest in _tagged(order, source, client, folder.with_suffix(".json")).items():
            try:
                client.pull(source.sink, digest, folder / tag, names={SAMPLES}, max_bytes=MAX_SAMPLES)
                found.append((tag, digest, read_samples(folder / tag, shape)))
            except (ArtifactInvalid, ArtifactMissing) as error:
                found.append((tag, digest, str(error)))
    return found


def _tagged(order: Order, source: SampleSource, client: Client, file: Path) -> dict[str, str]:
    """Digest by tag as it was when `order` first began here, as `file` tells: nodes push new samples all the time."""
    asked = digest_of(order.dump().encode())
    try:
        known = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        known = {}
    if known.get("order") == asked:
        return dict(known["tags"])
    tags = {tag: client.resolve(source.sink, tag) for tag in sorted(set(source.tags))}
    found = {tag: digest for tag, digest in tags.items() if digest is not None}
    write_whole(file, json.dumps({"order": asked, "tags": found}).encode())
    return found


def _classifier(folder: Path, manifest: Manifest, threads: int, invalid: type[errors.DistillError]) -> Classifier:
    if absent := {CARD, MODEL} - manifest.files.keys():
        raise invalid(f"not a bundle with a model: {', '.join(sorted(absent))} is not in it")
    return Classifier(read_card(folder), (folder / MODEL).read_bytes(), threads, invalid)


def _check_dataset(dataset: Labelled, teacher: Classifier) -> None:
    if dataset.inputs.shape[1:] != teacher.input_shape:
        raise errors.TeacherMismatch(
            f"the data set's inputs have the shape {dataset.inputs.shape[1:]}, the teacher takes {teacher.input_shape}"
        )
    if (largest := int(dataset.labels.max())) >= teacher.classes:
        raise errors.TeacherMismatch(
            f"the teacher knows {teacher.classes} classes: labels: want 0 to {teacher.classes - 1}, got {largest}"
        )
    if len(there := np.unique(dataset.labels)) == 1:
        raise errors.DatasetInvalid(f"labels: want samples of two classes or more, got only those of class {there[0]}")


def _check_parent(parent: Classifier, teacher: Classifier) -> None:
    ours, wanted = (parent.input_shape, parent.classes), (teacher.input_shape, teacher.classes)
    if ours != wanted:
        raise errors.ParentMismatch(f"input shape and classes: the teacher has {wanted}, the serving student {ours}")
