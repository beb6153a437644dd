"""The student zoo, and its way to ONNX."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgemodel.distillation import STUDENTS
from edgemodel_distill import students, zoo
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.export import to_onnx
from edgemodel_distill.gates import MAX_EXPORT_DIFFERENCE
from edgemodel_distill.train import predict, train
from edgemodel_distill.views import Material

KINDS: list[tuple[str, int, tuple[int, ...]]] = [
    ("mlp", 16, (5,)),
    ("mlp", 16, (1, 8, 8)),
    ("tiny-cnn", 4, (1, 8, 8)),
    ("tiny-cnn", 8, (1, 28, 28)),
    ("tiny-cnn", 8, (3, 33, 47)),
    ("tiny-cnn", 4, (1, 3, 3)),
    ("separable", 4, (1, 28, 28)),
    ("separable", 4, (3, 9, 7)),
    ("resnet8", 4, (1, 28, 28)),
    ("resnet8", 4, (1, 3, 3)),
    ("resnet20", 2, (3, 17, 16)),
]


def trained(architecture: str, width: int, shape: tuple[int, ...], classes: int = 3) -> torch.nn.Module:
    """A student after a few steps on noise, so that batch norm has statistics worth exporting."""
    random = np.random.default_rng(0)
    labelled = Labelled(random.normal(size=(24, *shape)).astype(np.float32), random.integers(0, classes, 24))
    recipe = Recipe(
        architecture=architecture,
        width=width,
        temperature=1,
        alpha=0,
        epochs=2,
        learning_rate=0.01,
        batch_size=8,
        seed=0,
    )
    torch.manual_seed(0)
    student = students.build(architecture, width, shape, classes)
    train(student, Material(labelled, labelled.inputs[:0], None), recipe, lambda *_: None)
    return student


@pytest.mark.parametrize(("architecture", "width", "shape"), KINDS)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_exported_student_answers_as_the_trained_one_for_any_batch(
    architecture: str, width: int, shape: tuple[int, ...], batch: int
) -> None:
    student = trained(architecture, width, shape)
    session = onnxruntime.InferenceSession(to_onnx(student, shape), providers=["CPUExecutionProvider"])
    inputs = np.random.default_rng(1).normal(size=(batch, *shape)).astype(np.float32)
    answer = session.run(["logits"], {"input": inputs})[0]
    assert np.abs(answer - predict(student, inputs)).max() < MAX_EXPORT_DIFFERENCE / 10


def test_an_exported_file_is_plain_onnx_without_paths_of_the_machine_that_made_it() -> None:
    model = onnx.load_from_string(to_onnx(trained("tiny-cnn", 4, (1, 8, 8)), (1, 8, 8)))
    assert {entry.domain for entry in model.opset_import} == {""}
    assert b"/" + b"site-packages" not in model.SerializeToString()


def test_equal_seeds_give_equal_files() -> None:
    one, two = (trained("tiny-cnn", 4, (1, 8, 8)) for _ in range(2))
    assert (students.weights(one), to_onnx(one, (1, 8, 8))) == (students.weights(two), to_onnx(two, (1, 8, 8)))


def test_a_student_starts_from_the_weights_of_an_equal_one(tmp_path: Path) -> None:
    parent = trained("mlp", 16, (5,))
    (tmp_path / "student.safetensors").write_bytes(students.weights(parent))
    child = students.build("mlp", 16, (5,), 3)
    assert students.warm_start(child, tmp_path / "student.safetensors")
    assert students.weights(child) == students.weights(parent)


@pytest.mark.parametrize("content", ["another width", "rubbish", "nothing"])
def test_a_student_starts_afresh_where_the_weights_are_not_its_own(tmp_path: Path, content: str) -> None:
    path = tmp_path / "student.safetensors"
    if content != "nothing":
        path.write_bytes(students.weights(trained("mlp", 15, (5,))) if content == "another width" else b"rubbish")
    child = students.build("mlp", 16, (5,), 3)
    before = students.weights(child)
    assert not students.warm_start(child, path)
    assert students.weights(child) == before


def test_an_order_may_name_what_the_zoo_has() -> None:
    assert tuple(zoo.ZOO) == STUDENTS


def test_a_convolution_wants_images() -> None:
    with pytest.raises(BadOrder, match="take mlp"):
        students.build("tiny-cnn", 4, (5,), 3)


def test_the_default_student_stays_small_for_images_of_any_size() -> None:
    sizes = []
    for side in (8, 28, 64):
        student = students.build("tiny-cnn", 16, (1, side, side), 10)
        sizes.append(sum(parameter.numel() for parameter in student.parameters()))
    assert max(sizes) < 60_000


def layers(student: torch.nn.Module, *kinds: type[torch.nn.Module]) -> list[Any]:
    return [layer for layer in student.modules() if isinstance(layer, kinds)]


def test_the_default_student_is_the_one_that_its_page_describes() -> None:
    student = students.build("tiny-cnn", 16, (1, 28, 28), 10)
    convolutions = layers(student, torch.nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == [16, 32, 64]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert convolutions[0].stride == (2, 2)  # a stem at full size makes int8 slower
    assert [layer.num_features for layer in layers(student, torch.nn.BatchNorm2d)] == [16, 32, 64]
    assert [layer.out_features for layer in layers(student, torch.nn.Linear)] == [128, 10]
    assert [layer.p for layer in layers(student, torch.nn.Dropout)] == [0.2]
    assert len(layers(student, torch.nn.AvgPool2d)) == 1


@pytest.mark.parametrize("depth", [8, 20])
def test_a_resnet_is_as_deep_as_it_says(depth: int) -> None:
    student = students.build(f"resnet{depth}", 4, (1, 28, 28), 10)
    on_the_way = [layer for layer in layers(student, torch.nn.Conv2d) if layer.kernel_size == (3, 3)]
    assert len(on_the_way) + len(layers(student, torch.nn.Linear)) == depth


def test_separable_convolutions_look_at_each_channel_by_itself() -> None:
    convolutions = layers(students.build("separable", 4, (1, 28, 28), 10), torch.nn.Conv2d)
    assert [layer.groups == layer.in_channels > 1 for layer in convolutions] == [False] + [True, False] * 4


@pytest.mark.parametrize("architecture", sorted(zoo.ZOO))
def test_the_width_multiplies_the_channels_of_every_kind(architecture: str) -> None:
    narrow, wide = (students.build(architecture, width, (1, 28, 28), 10) for width in (4, 12))
    first, same = (layers(student, torch.nn.Conv2d, torch.nn.Linear)[0].weight for student in (narrow, wide))
    assert (len(first), len(same)) == (4, 12)
    assert 2.9 < channels(wide) / channels(narrow) < 3.1


def channels(student: torch.nn.Module) -> int:
    """Of all layers but those whose size is fixed."""
    return sum(
        len(w.weight) for w in layers(student, torch.nn.Conv2d, torch.nn.Linear) if len(w.weight) not in {10, 128}
    )
