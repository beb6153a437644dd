"""What the recipe says is what the training does."""

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgemodel.distillation import Augment, Method
from edgemodel_distill import device, students
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.train import EpochLosses, predict, seed_everything, train
from edgemodel_distill.views import Material
from tests.bench.distillation import reference

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((70, 1, 8, 8), np.float32)
LABELLED = Labelled(IMAGES, (IMAGES.mean(axis=(1, 2, 3)) * 97 % 3).astype(np.int64))
EDGE = RANDOM.random((30, 1, 8, 8), np.float32)
RECIPE = Recipe(
    architecture="tiny-cnn", width=4, temperature=3, alpha=0.6, epochs=4, learning_rate=0.01, batch_size=16, seed=3
)


def teacher(view: Floats) -> Floats:
    """Unsure, and of another mind than the labels."""
    return view[:, 0, :3, 0] * 5


class Told:
    """Keeps losses, and the student after each epoch."""

    def __init__(self) -> None:
        self.losses: list[EpochLosses] = []
        self.states: list[dict[str, torch.Tensor]] = []

    def __call__(self, losses: EpochLosses, network: nn.Module) -> None:
        self.losses.append(losses)
        self.states.append(copy.deepcopy(network.state_dict()))


def trained(recipe: Recipe, edge: Floats = EDGE) -> tuple[nn.Module, Told]:
    seed_everything(recipe)
    student, told = students.build(recipe.architecture, recipe.width, (1, 8, 8), 3), Told()
    train(student, Material(LABELLED, edge, teacher), recipe, told)
    return student, told


@pytest.fixture(scope="module")
def plain() -> bytes:
    return students.weights(trained(RECIPE)[0])


def test_the_training_is_that_of_twenty_plain_lines() -> None:
    """Temperature, soft share, cosine, batches: all of it, to the rounding of some steps."""
    recipe = replace(RECIPE, architecture="mlp", width=8)
    ours, _ = trained(recipe, EDGE[:0])
    seed_everything(recipe)
    theirs = students.build("mlp", 8, (1, 8, 8), 3)
    start = copy.deepcopy(theirs.state_dict())
    reference.distil(theirs, LABELLED.inputs, LABELLED.labels, teacher(LABELLED.inputs), recipe)
    for name, wanted in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], wanted, rtol=0, atol=1e-5)
        assert (wanted - start[name]).abs().max() > 1e-2


SETTINGS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 4},
    "alpha": {"alpha": 0.7},
    "learning rate": {"learning_rate": 0.011},
    "batches": {"batch_size": 24},
    "seed": {"seed": 4},
}
METHODS: dict[str, dict[str, Any]] = {
    "decoupled": {"loss": "Decoupled"},
    "SGD": {"optimizer": "SGD"},
    "steps": {"schedule": "Step"},
    "warm-up": {"warm_up": 0.2},
    "mixup": {"mixup": 0.4},
    "average": {"average": 0.9},
    "shift": {"augment": Augment(shift=1)},
    "flip": {"augment": Augment(flip=True)},
    "erase": {"augment": Augment(erase=2)},
    "noise": {"augment": Augment(noise=0.5)},
}
CHANGES = SETTINGS | {name: {"method": Method(**method)} for name, method in METHODS.items()}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_every_setting_reaches_the_training(plain: bytes, changes: dict[str, Any]) -> None:
    assert students.weights(trained(replace(RECIPE, **changes))[0]) != plain


def test_the_average_that_ships_is_that_of_the_weights_after_each_step() -> None:
    recipe = replace(RECIPE, architecture="mlp", batch_size=len(LABELLED))  # a step is an epoch
    shipped, _ = trained(replace(recipe, method=Method(average=0.8)))
    _, told = trained(recipe)
    for name, ours in shipped.state_dict().items():
        wanted = told.states[0][name]
        for state in told.states[1:]:
            wanted = 0.8 * wanted + 0.2 * state[name]
        torch.testing.assert_close(ours, wanted)
        assert not torch.equal(ours, told.states[-1][name])


@pytest.mark.parametrize(
    ("loss", "shares"), [("Plain", [0.6] * 4), ("Decoupled", [0, 0.3, 0.6, 0.6])], ids=["plain", "decoupled"]
)
def test_a_decoupled_loss_gains_weight_during_the_warm_up(loss: str, shares: list[float]) -> None:
    recipe = replace(RECIPE, batch_size=len(LABELLED), method=Method(loss=loss, warm_up=0.5))
    _, told = trained(recipe)
    assert [(e.loss - e.hard) / (e.soft - e.hard) for e in told.losses] == pytest.approx(shares, abs=1e-4)


def test_two_threads_give_the_same_student_each_time() -> None:
    large = Labelled(RANDOM.random((48, 1, 28, 28), np.float32), np.arange(48) % 3)  # enough to share out
    recipe, weights = replace(RECIPE, width=16, epochs=2, batch_size=48, threads=2), []
    before = torch.get_num_threads()
    try:
        for _ in range(2):
            seed_everything(recipe)
            student = students.build("tiny-cnn", 16, (1, 28, 28), 3)
            train(student, Material(large, EDGE[:0], None), recipe, Told())
            weights.append(students.weights(student))
    finally:
        torch.set_num_threads(before)
    assert weights[0] == weights[1]


# What a GPU does, as far as a processor can show it


@pytest.mark.parametrize("architecture", ["mlp", "tiny-cnn", "separable", "resnet8"])
@pytest.mark.parametrize("loss", ["Plain", "Decoupled"])
def test_half_precision_trains_what_full_precision_trains(
    monkeypatch: pytest.MonkeyPatch, architecture: str, loss: str
) -> None:
    recipe = replace(RECIPE, architecture=architecture, method=Method(loss=loss))
    full, exact = trained(recipe)
    monkeypatch.setattr(device, "mixed_precision", lambda _: torch.autocast("cpu", torch.bfloat16))
    half, rounded = trained(recipe)
    assert students.weights(half) != students.weights(full)
    assert {tensor.dtype for tensor in half.state_dict().values()} <= {torch.float32, torch.int64}
    assert [e.loss for e in rounded.losses] == pytest.approx([e.loss for e in exact.losses], rel=0.1)
    assert np.isfinite(predict(half, IMAGES)).all()


def test_on_a_processor_nothing_is_rounded_to_half_precision() -> None:
    with device.mixed_precision(torch.device("cpu")):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32


@pytest.mark.parametrize(("gpus", "own"), [(1, [0, 0, 0]), (2, [0, 1, 0])])
def test_where_there_are_gpus_a_worker_trains_on_one(
    monkeypatch: pytest.MonkeyPatch, gpus: int, own: list[int]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [device.best(worker) for worker in range(3)] == [torch.device("cuda", number) for number in own]


@pytest.mark.parametrize(("generation", "half"), [(7, False), (8, True)], ids=["Turing", "Ampere"])
def test_a_gpu_that_has_half_precision_uses_it(monkeypatch: pytest.MonkeyPatch, generation: int, half: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=generation))
    with device.mixed_precision(torch.device("cuda", 0)):
        assert torch.is_autocast_enabled("cuda") == half
        assert not half or torch.get_autocast_dtype("cuda") == torch.bfloat16
