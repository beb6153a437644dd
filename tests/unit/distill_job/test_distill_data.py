"""What is trained on and what is examined with never mix."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.distillation import Method, Order
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled, in_holdout, read_dataset, read_samples, unique, unique_labelled
from edgemodel_distill.errors import TeacherInvalid
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import EdgeSamples, Ingredients, Parent
from edgemodel_registry import ArtifactInvalid
from edgemodel_registry.arrays import pack_arrays
from edgemodel_registry.folder import read_card
from tests.unit.distill_job.tiny_world import quadrant, write_linear

RECIPE = Recipe.of(
    Order(
        name="v2",
        teacher={"uri": "file:///t", "digest": "sha256:" + "0" * 64},
        dataset={"uri": "file:///d", "digest": "sha256:" + "0" * 64},
        push="file:///p",
    ),
    threads=1,
)


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


def test_about_a_fifth_is_held_out() -> None:
    assert in_holdout(points(5000), 0.2).mean() == pytest.approx(0.2, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 60))
def test_a_sample_stays_on_its_side_whatever_else_is_in_the_set(seed: int, count: int, others: int) -> None:
    ours, rest = points(count, seed), points(others, seed + 1)
    together = np.concatenate([rest, ours])[::-1]
    assert in_holdout(together, 0.2)[::-1][others:].tolist() == in_holdout(ours, 0.2).tolist()


def classifier(folder: Path, sharpness: float = 1.0) -> Classifier:
    write_linear(folder, sharpness=sharpness)
    return Classifier(read_card(folder), (folder / "model.onnx").read_bytes(), 1, TeacherInvalid)


def keys(*parts: np.ndarray) -> list[bytes]:
    return [row.tobytes() for part in parts for row in part]


@pytest.mark.parametrize("patience", [0, 3])
def test_an_image_that_comes_back_from_the_edge_is_not_trained_on_when_it_is_held_out(
    tmp_path: Path, patience: int
) -> None:
    inputs = points(300)
    things = Ingredients(
        classifier(tmp_path / "teacher"), Labelled(inputs, quadrant(inputs)), EdgeSamples(inputs[::-1]), None
    )
    examiner = Examiner(things, Method(patience=patience))
    trained_on = set(keys(examiner.training.inputs, examiner.edge_training))
    assert trained_on.isdisjoint(keys(examiner.holdout.inputs))


def test_what_stops_a_training_early_is_neither_trained_on_nor_examined_with(tmp_path: Path) -> None:
    inputs = points(300)
    things = Ingredients(
        classifier(tmp_path / "teacher"), Labelled(inputs, quadrant(inputs)), EdgeSamples(inputs[:0]), None
    )
    plain, stopping = (Examiner(things, Method(patience=patience)) for patience in (0, 3))
    parts = keys(stopping.training.inputs, stopping.validation.inputs, stopping.holdout.inputs)
    assert sorted(parts) == sorted(keys(inputs))
    assert len(stopping.validation) == pytest.approx(30, abs=12)
    assert keys(stopping.holdout.inputs) == keys(plain.holdout.inputs)
    assert plain.validation is None


def test_a_teacher_is_judged_by_the_samples_that_it_is_unsure_of_too(tmp_path: Path) -> None:
    inputs, edge = points(300), points(300, seed=1)
    things = Ingredients(classifier(tmp_path / "teacher"), Labelled(inputs, quadrant(inputs)), EdgeSamples(edge), None)
    every, sure = (Examiner(things, Method(min_confidence=least)) for least in (0.0, 0.7))
    assert len(sure.edge_training) < len(every.edge_training) / 2
    assert sure.teacher_on_edge(RECIPE) == every.teacher_on_edge(RECIPE)
    assert sure.drift() == every.drift()


def test_repeated_samples_count_once_and_keep_their_order() -> None:
    assert unique(np.array([[3], [1], [3], [2], [1]], np.float32)).ravel().tolist() == [3, 1, 2]


def test_of_an_image_with_two_labels_the_first_counts() -> None:
    known = unique_labelled(Labelled(np.array([[3], [1], [3]], np.float32), np.array([0, 1, 2])))
    assert (known.inputs.ravel().tolist(), known.labels.tolist()) == ([3, 1], [0, 1])


def test_what_the_gates_are_told_was_measured_on_all_that_was_held_out(tmp_path: Path) -> None:
    inputs, far = points(600), 3 * points(600, seed=1)
    labels = quadrant(inputs)
    student, teacher = classifier(tmp_path / "student"), classifier(tmp_path / "teacher")
    swapped = np.where(labels == 3, 2, labels)  # to this book the student is wrong about one class of four
    things = Ingredients(teacher, Labelled(inputs, swapped), EdgeSamples(far), Parent(teacher, None))
    told = Examiner(things, Method()).measure(student, 1234, 0.5)
    share = np.mean(labels[in_holdout(inputs, 0.2)] == 3)
    assert (told.accuracy, told.parent_accuracy) == pytest.approx((1 - share, 1 - share))
    assert told.worst_class_accuracy == pytest.approx(np.mean(labels[in_holdout(inputs, 0.2) & (swapped == 2)] == 2))
    assert (told.agreement, told.edge_agreement, told.drop_p_value) == (1, 1, 1)
    assert told.latency_ratio > 0
    assert (told.size, told.export_difference, told.non_finite) == (1234, 0.5, 0)


def test_answers_that_are_no_numbers_are_counted_on_held_out_edge_samples_too(tmp_path: Path) -> None:
    inputs, edge = points(300), np.full((300, 2), np.float32(1e9)) * points(300, seed=1)
    teacher, loud = classifier(tmp_path / "teacher"), classifier(tmp_path / "loud", sharpness=3e32)
    things = Ingredients(teacher, Labelled(inputs, quadrant(inputs)), EdgeSamples(edge), None)
    told = Examiner(things, Method()).measure(loud, 1, 0.0)
    assert 0 < told.non_finite <= in_holdout(edge, 0.2).sum()


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
