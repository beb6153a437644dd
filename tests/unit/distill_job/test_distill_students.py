"""The student zoo, and its way to ONNX."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgemodel_distill import students
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled
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


def test_a_convolution_wants_images() -> None:
    with pytest.raises(ValueError, match="take mlp"):
        students.build("tiny-cnn", 4, (5,), 3)


def test_the_default_student_stays_small_for_images_of_any_size() -> None:
    sizes = []
    for side in (8, 28, 64):
        student = students.build("tiny-cnn", 16, (1, side, side), 10)
        sizes.append(sum(parameter.numel() for parameter in student.parameters()))
    assert max(sizes) < 60_000
