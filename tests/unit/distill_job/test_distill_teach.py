"""From an order to a trained student, where the machine or the image is special."""

from pathlib import Path

import pytest
from torch import Tensor, nn

from edgemodel_distill import errors, zoo
from tests.unit.distill_job.tiny_world import World, distil


class Hungry(nn.Sequential):
    """Cannot be trained with more than so many samples at once."""

    most = 40

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training and len(inputs) > self.most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return super().forward(inputs)


@pytest.fixture
def hungry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A student of that kind, in the zoo."""
    monkeypatch.setitem(zoo.ZOO, "hungry", lambda _, shape, classes: Hungry(nn.Linear(shape[0], classes)))


@pytest.mark.usefixtures("hungry")
def test_out_of_memory_halves_the_batch_once_and_says_so(world: World, work: Path) -> None:
    outcome, told = distil(world.change(student={"architecture": "hungry"}, batchSize=32), work)
    assert outcome.accepted
    assert told.notes == ["out of memory with batches of 32: once more with 16"]


@pytest.mark.usefixtures("hungry")
def test_out_of_memory_with_half_a_batch_is_an_error(world: World, work: Path) -> None:
    with pytest.raises(RuntimeError) as failed:
        distil(world.change(student={"architecture": "hungry"}, batchSize=300), work)
    assert errors.classify(failed.value).code == "OutOfMemory"


def test_an_image_may_bring_a_student_as_an_entry_point(
    world: World, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plants.py").write_text(
        "from torch import nn\n"
        "def linear(width, shape, classes):\n"
        "    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, classes))\n"
    )
    metadata = tmp_path / "plants-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plants\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[edgemodel.students]\nplants-linear = plants:linear\n")
    monkeypatch.syspath_prepend(tmp_path)
    outcome, _ = distil(world.change(student={"architecture": "plants-linear", "width": 16}), work)
    assert outcome.accepted


def test_an_unknown_student_is_answered_with_those_that_there_are(world: World, work: Path) -> None:
    with pytest.raises(errors.BadOrder, match="want one of mlp, resnet20, resnet8, separable, tiny-cnn, got elephant"):
        distil(world.change(student={"architecture": "elephant"}), work)
