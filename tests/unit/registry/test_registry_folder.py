"""Artifact folders are written whole, checked file by file, and named by their content."""

from pathlib import Path

import numpy as np
import pytest

from edgemodel.bundle import GOLDEN, MANIFEST, MODEL, STUDENT, TYPE_DATASET, Card, Tensor
from edgemodel_registry import ArtifactInvalid, ArtifactMissing, write_bundle, write_dataset, write_samples
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_folder, read_card

TENSOR = {"datatype": "FP32", "shape": (-1, 2)}
CARD = Card(name="v1", inputs=(Tensor(name="x", **TENSOR),), outputs=(Tensor(name="y", **TENSOR),))
GOLDEN_ARRAYS = {"input:x": np.zeros((3, 2), np.float32), "output:y": np.ones((3, 2), np.float32)}
INPUTS = np.zeros((4, 1, 8, 8), np.float32)
LABELS = np.arange(4)


def test_equal_content_has_an_equal_digest(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS)
    assert write_bundle(tmp_path / "b", CARD, b"model", GOLDEN_ARRAYS) == first


def test_other_content_has_another_digest(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS)
    assert write_bundle(tmp_path / "b", CARD, b"Model", GOLDEN_ARRAYS) != first


def test_a_bundle_is_whole_and_reads_back(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS, {STUDENT: b"weights"})
    assert MODEL in check_folder(tmp_path / "a").files
    assert STUDENT in check_folder(tmp_path / "a").files
    assert read_card(tmp_path / "a") == CARD
    np.testing.assert_array_equal(read_arrays(tmp_path / "a" / GOLDEN)["output:y"], GOLDEN_ARRAYS["output:y"])


def test_a_folder_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS)
    with pytest.raises(ArtifactInvalid, match="is there already"):
        write_bundle(tmp_path / "a", CARD, b"another", GOLDEN_ARRAYS)
    assert (tmp_path / "a" / MODEL).read_bytes() == b"model"


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ArtifactInvalid, match=r"weights\.bin"):
        write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS, {"weights.bin": b""})
    assert not list(tmp_path.iterdir())


def test_golden_arrays_must_be_those_of_the_card(tmp_path: Path) -> None:
    with pytest.raises(ArtifactInvalid, match="output:y"):
        write_bundle(tmp_path / "a", CARD, b"model", {"input:x": GOLDEN_ARRAYS["input:x"]})


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS)
    (tmp_path / "a" / MODEL).write_bytes(b"Model")
    with pytest.raises(ArtifactInvalid, match=MODEL):
        check_folder(tmp_path / "a")


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", CARD, b"model", GOLDEN_ARRAYS)
    (tmp_path / "a" / GOLDEN).unlink()
    with pytest.raises(ArtifactMissing, match=GOLDEN):
        check_folder(tmp_path / "a")


def test_a_folder_without_manifest_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=MANIFEST):
        check_folder(tmp_path)


def test_a_data_set_says_that_it_is_one(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d", "digits", INPUTS, LABELS)
    assert check_folder(tmp_path / "d").artifact_type == TYPE_DATASET


@pytest.mark.parametrize(
    ("inputs", "labels", "named"),
    [
        (INPUTS.astype(np.float64), LABELS, "inputs"),
        (INPUTS[0, 0, 0], LABELS[:0], "inputs"),
        (INPUTS + np.nan, LABELS, "inputs"),
        (INPUTS, LABELS.astype(np.int32), "labels"),
        (INPUTS, LABELS[:3], "labels"),
        (INPUTS, LABELS - 1, "labels"),
    ],
)
def test_a_data_set_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, inputs: np.ndarray, labels: np.ndarray, named: str
) -> None:
    with pytest.raises(ArtifactInvalid, match=f"^{named}"):
        write_dataset(tmp_path / "d", "digits", inputs, labels)


def test_samples_carry_one_confidence_each(tmp_path: Path) -> None:
    with pytest.raises(ArtifactInvalid, match="confidence"):
        write_samples(tmp_path / "s", "node-1", INPUTS, np.zeros(3, np.float32))
