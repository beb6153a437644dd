"""What a step of the training sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.distillation import Augment, Method
from edgemodel_distill import augment, running, students
from edgemodel_distill.batches import Shuffled
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.train import EpochLosses, predict, seed_everything, train
from edgemodel_distill.views import Material, Views

RECIPE = Recipe(
    architecture="mlp", width=4, temperature=4, alpha=0.7, epochs=2, learning_rate=0.01, batch_size=8, seed=0
)
IMAGES = np.random.default_rng(0).random((40, 1, 6, 6), np.float32) + 1
LABELLED = Labelled(IMAGES, np.arange(40) % 3)


class Teacher:
    """Answers with the first pixels, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, inputs: Floats) -> Floats:
        self.asked += len(inputs)
        return inputs[:, 0, 0, :3]


def views(method: Method, teacher: Teacher | None, edge: Floats = IMAGES[:0]) -> Views:
    return Views(Material(LABELLED, edge, teacher), replace(RECIPE, method=method), np.random.default_rng(1))


def test_a_sample_that_always_looks_the_same_is_shown_to_the_teacher_once() -> None:
    teacher = Teacher()
    seen = views(Method(), teacher)
    for _ in range(3 * seen.labelled.batches):
        batch = seen.next()
        assert torch.equal(batch.targets, batch.inputs[:, 0, 0, :3])
    assert teacher.asked == len(LABELLED)


def test_noise_on_edge_samples_is_no_reason_to_ask_again_about_labelled_ones() -> None:
    teacher = Teacher()
    seen = views(Method(), teacher, IMAGES[:10])
    steps = 3 * seen.labelled.batches
    on_edge = sum(len(seen.next().targets) for _ in range(steps)) - 3 * len(LABELLED)
    assert teacher.asked == len(LABELLED) + on_edge


@pytest.mark.parametrize(
    "method",
    [
        Method(augment=Augment(shift=2)),
        Method(augment=Augment(flip=True)),
        Method(augment=Augment(erase=3)),
        Method(mixup=1.0),
        Method(),
        Method(mixup=1.0, augment=Augment(shift=2, flip=True, erase=3)),
    ],
    ids=["shift", "flip", "erase", "mixup", "noise on edge samples", "all"],
)
def test_the_teacher_labels_the_very_view_that_the_student_sees(method: Method) -> None:
    batch = views(method, Teacher(), IMAGES[:10]).next()
    assert torch.equal(batch.targets, batch.inputs[:, 0, 0, :3])


def test_mixed_samples_have_mixed_labels() -> None:
    seen = views(Method(mixup=1.0), None)
    batch = seen.next()
    assert batch.labels.shape == (8, 3)
    assert batch.labels.sum(dim=1).numpy() == pytest.approx(np.ones(8))
    assert (batch.labels > 0).sum(dim=1).max() == 2


def test_points_cannot_be_looked_at_as_images() -> None:
    points = Labelled(np.zeros((9, 5), np.float32), np.zeros(9, np.int64))
    material = Material(points, points.inputs[:0], None)
    with pytest.raises(BadOrder, match=r"method\.augment: shift, flip and erase want images"):
        Views(material, replace(RECIPE, method=Method(augment=Augment(flip=True))), np.random.default_rng(0))


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 99))
def test_a_shuffle_has_every_row_once_and_no_batch_is_much_smaller_than_the_others(
    count: int, size: int, seed: int
) -> None:
    rows = Shuffled(count, size, np.random.default_rng(seed))
    batches = [rows.next() for _ in range(rows.batches)]
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert max(map(len, batches)) - min(map(len, batches)) <= 1


def test_a_shifted_image_keeps_its_pixels_and_gets_zeros_at_the_border() -> None:
    image = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    for seed in range(20):
        moved = augment.shift(image, 1, np.random.default_rng(seed))[0, 0]
        places = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        padded = np.pad(image[0, 0], 1)
        assert any(np.array_equal(moved, padded[1 + y : 4 + y, 1 + x : 4 + x]) for y, x in places)


def test_half_of_the_images_are_flipped() -> None:
    images = np.tile(np.array([1, 2], np.float32), (1000, 1, 1, 1))
    flipped = augment.flip(images, np.random.default_rng(0))
    assert np.mean(flipped[:, 0, 0, 0] == 2) == pytest.approx(0.5, abs=0.05)


def test_a_square_is_erased_and_no_more() -> None:
    images = np.ones((500, 2, 9, 9), np.float32)
    holes = (augment.erase(images, 3, np.random.default_rng(0)) == 0).sum(axis=(2, 3))
    assert holes.max() == 9
    assert (holes[:, 0] == holes[:, 1]).all()
    assert holes.min() >= 1


@pytest.mark.parametrize(
    ("method", "shares"),
    [
        (Method(), [1, 0.5, 0]),
        (Method(schedule="Step"), [1, 0.1, 0.01]),
        (Method(schedule="Step", warm_up=0.5), [0, 0.1, 0.01]),
    ],
)
def test_the_learning_rate_at_the_start_in_the_middle_and_at_the_end(method: Method, shares: list[float]) -> None:
    assert [running.rate_share(progress, method) for progress in (0.0, 0.5, 1.0)] == pytest.approx(shares)


def test_a_training_without_gain_stops_early_and_takes_its_best_student() -> None:
    seed_everything(RECIPE)
    student = students.build("mlp", 4, (1, 6, 6), 3)
    upside_down = Labelled(LABELLED.inputs, (LABELLED.labels + 1) % 3)  # the better the training, the worse here
    recipe = replace(RECIPE, epochs=200, learning_rate=0.1, method=Method(patience=3))
    seen: list[tuple[EpochLosses, Floats]] = []
    train(
        student,
        Material(LABELLED, IMAGES[:0], None, upside_down),
        recipe,
        lambda losses, network: seen.append((losses, predict(network, IMAGES))),
    )
    right = [float(np.mean(answers.argmax(axis=1) == upside_down.labels)) for _, answers in seen]
    assert len(seen) < 200
    assert right.index(max(right)) == len(right) - 1 - 3
    assert np.array_equal(predict(student, IMAGES), seen[right.index(max(right))][1])
