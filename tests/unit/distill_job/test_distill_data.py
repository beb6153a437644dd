"""What is trained on and what is examined with never mix."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.distillation import Method
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.data import Labelled, in_holdout, read_dataset, read_samples, unique
from edgemodel_distill.errors import TeacherInvalid
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import EdgeSamples, Ingredients
from edgemodel_registry import ArtifactInvalid
from edgemodel_registry.arrays import pack_arrays
from edgemodel_registry.folder import read_card
from tests.unit.distill_job.tiny_world import quadrant, write_linear


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


def test_about_a_fifth_is_held_out() -> None:
    assert in_holdout(points(5000), 0.2).mean() == pytest.approx(0.2, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 60))
def test_a_sample_stays_on_its_side_whatever_else_is_in_the_set(seed: int, count: int, others: int) -> None:
    ours, rest = points(count, seed), points(others, seed + 1)
    together = np.concatenate([rest, ours])[::-1]
    assert in_holdout(together, 0.2)[::-1][others:].tolist() == in_holdout(ours, 0.2).tolist()


def test_an_image_that_comes_back_from_the_edge_is_not_trained_on_when_it_is_held_out(tmp_path: Path) -> None:
    write_linear(tmp_path / "teacher", sharpness=1.0)
    teacher = Classifier(
        read_card(tmp_path / "teacher"), (tmp_path / "teacher" / "model.onnx").read_bytes(), 1, TeacherInvalid
    )
    inputs = points(300)
    examiner = Examiner(
        Ingredients(teacher, Labelled(inputs, quadrant(inputs)), EdgeSamples(inputs[::-1]), None), Method()
    )
    trained_on = {row.tobytes() for part in (examiner.training.inputs, examiner.edge_training) for row in part}
    assert trained_on.isdisjoint(row.tobytes() for row in examiner.holdout.inputs)


def test_repeated_samples_count_once_and_keep_their_order() -> None:
    assert unique(np.array([[3], [1], [3], [2], [1]], np.float32)).ravel().tolist() == [3, 1, 2]


def test_samples_that_are_not_numbers_are_left_out(tmp_path: Path) -> None:
    inputs = np.array([[1, 2], [np.nan, 0], [0, np.inf], [3, 4]], np.float32)
    (tmp_path / "samples.npz").write_bytes(pack_arrays({"inputs": inputs}))
    assert read_samples(tmp_path, (2,)).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "arrays",
    [{"inputs": np.zeros((3, 5), np.float32)}, {"inputs": np.zeros((3, 2))}, {"other": np.zeros((3, 2), np.float32)}],
    ids=["wrong shape", "wrong type", "wrong name"],
)
def test_samples_of_another_kind_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    (tmp_path / "samples.npz").write_bytes(pack_arrays(arrays))
    with pytest.raises(ArtifactInvalid, match=r"inputs: want float32 \(N, 2\)"):
        read_samples(tmp_path, (2,))


def test_a_data_set_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.npz").write_bytes(pack_arrays({"inputs": points(3)}))
    with pytest.raises(ArtifactInvalid, match="want the arrays inputs and labels"):
        read_dataset(tmp_path)
