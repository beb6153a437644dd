"""Arrays that are trained on: read from artifacts, and split so that nothing ever leaks into the holdout."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemodel.bundle import DATASET, SAMPLES
from edgemodel_registry import ArtifactInvalid
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_dataset

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
Shape = tuple[int, ...]
"""Of one sample, without the batch."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Inputs (N, *shape) float32 with their class numbers (N,) int64."""

    inputs: Floats
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Mask) -> "Labelled":
        """The rows that `mask` selects."""
        return Labelled(self.inputs[mask], self.labels[mask])


def read_dataset(folder: Path) -> Labelled:
    """The labelled set in an artifact folder.

    Raises:
        ArtifactMissing: there is none.
        ArtifactInvalid: names the array that is wrong.
    """
    arrays = read_arrays(folder / DATASET)
    try:
        inputs, labels = arrays["inputs"], arrays["labels"]
    except KeyError as error:
        raise ArtifactInvalid(f"{DATASET}: want the arrays inputs and labels, got {sorted(arrays)}") from error
    check_dataset(inputs, labels)
    return Labelled(inputs, labels)


def read_samples(folder: Path, shape: tuple[int, ...]) -> Floats:
    """The unlabelled samples in an artifact folder, without those that hold NaN or infinity.

    Raises:
        ArtifactMissing: there are none.
        ArtifactInvalid: they are not float32 (N, *shape).
    """
    inputs = read_arrays(folder / SAMPLES).get("inputs")
    if inputs is None or inputs.dtype != np.float32 or inputs.shape[1:] != shape:
        got = "nothing" if inputs is None else f"{inputs.dtype} {inputs.shape}"
        raise ArtifactInvalid(f"{SAMPLES}: inputs: want float32 (N, {', '.join(map(str, shape))}), got {got}")
    return inputs[np.flatnonzero(np.isfinite(inputs.reshape(len(inputs), -1)).all(axis=1))]


def unique(inputs: Floats) -> Floats:
    """`inputs` without repetitions; the first of equal samples stays in its place."""
    return inputs[_first(inputs)]


def unique_labelled(known: Labelled) -> Labelled:
    """`known` without repetitions; of an image with two labels the first one counts."""
    return known.where(_first(known.inputs))


def _first(inputs: Floats) -> Mask:
    """Which samples have no equal one before them."""
    mask = np.zeros(len(inputs), np.bool_)
    mask[np.unique(_keys(inputs), return_index=True)[1]] = True
    return mask


def in_holdout(inputs: Floats, share: float) -> Mask:
    """Which samples belong to the holdout: about `share` of them; see `in_share`."""
    return in_share(inputs, 0, share)


def in_share(inputs: Floats, start: float, end: float) -> Mask:
    """Which samples belong to the share from `start` to `end` of all there could be, by each sample's own bytes.

    A sample is in the same share in every round, whatever else is in the set, and whether it comes labelled or
    from the edge: so the student is never trained on what it is examined with.
    """
    keys = _keys(inputs)
    return (keys >= np.uint64(start * 2**64)) & (keys < np.uint64(end * 2**64))


def _keys(inputs: Floats) -> NDArray[np.uint64]:
    """The first 64 bits of each sample's sha256."""
    digests = (hashlib.sha256(sample.tobytes()).digest()[:8] for sample in inputs)
    return np.array([int.from_bytes(digest) for digest in digests], dtype=np.uint64)
