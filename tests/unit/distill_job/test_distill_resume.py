"""A killed training goes on where it was, and ends with the very same student."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemodel.distillation import Augment, Method, Order
from edgemodel.outcome import Outcome, parse
from edgemodel_distill import job, students
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled
from edgemodel_distill.errors import Terminated
from edgemodel_distill.progress import EpochReport
from edgemodel_distill.stopping import Stop
from edgemodel_distill.train import EpochLosses, seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry import Client
from tests.unit.distill_job.tiny_world import Quiet, World, distil

RECIPE = Recipe(
    architecture="tiny-cnn", width=4, temperature=4, alpha=0.7, epochs=4, learning_rate=0.01, batch_size=16, seed=3
)


class Killed(Exception):
    """The power went."""


def material() -> Material:
    random = np.random.default_rng(0)
    inputs = random.random((70, 1, 8, 8), np.float32)
    labelled = Labelled(inputs, (inputs.mean(axis=(1, 2, 3)) > 0.5).astype(np.int64))
    return Material(labelled, random.random((41, 1, 8, 8), np.float32), lambda view: view[:, 0, :2, 0] * 5, labelled)


def trained(checkpoint: Checkpoint | None, die_after: int = 0, recipe: Recipe = RECIPE) -> tuple[bytes, list[int]]:
    """The weights, and the epochs that were trained in this life."""
    epochs: list[int] = []

    def after_epoch(losses: EpochLosses, _: object) -> None:
        if die_after and losses.epoch == die_after + 1:
            raise Killed
        epochs.append(losses.epoch)

    seed_everything(recipe)
    student = students.build("tiny-cnn", 4, (1, 8, 8), 2)
    train(student, material(), recipe, after_epoch, checkpoint)
    return students.weights(student), epochs


@pytest.mark.parametrize("die_after", [1, 3])
def test_batch_norm_dropout_optimiser_and_shuffles_go_on_as_if_nothing_had_been(tmp_path: Path, die_after: int) -> None:
    whole, _ = trained(None)
    file = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        trained(Checkpoint(file, "x"), die_after)
    resumed, epochs = trained(Checkpoint(file, "x"))
    assert epochs == list(range(die_after + 1, 5))
    assert resumed == whole


METHODS = {
    "average": Method(average=0.9),
    "SGD, steps, warm-up": Method(optimizer="SGD", schedule="Step", warm_up=0.2),
    "decoupled, mixup, views": Method(loss="Decoupled", mixup=0.4, augment=Augment(shift=1, flip=True, erase=2)),
    "early stop": Method(patience=9),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_way_of_teaching_goes_on_as_if_nothing_had_been(tmp_path: Path, method: Method) -> None:
    recipe = replace(RECIPE, method=method)
    whole, _ = trained(None, recipe=recipe)
    with pytest.raises(Killed):
        trained(Checkpoint(tmp_path / "checkpoint", "x"), 2, recipe)
    assert trained(Checkpoint(tmp_path / "checkpoint", "x"), recipe=recipe) == (whole, [3, 4])


def test_a_stop_in_the_middle_of_an_epoch_loses_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = trained(None)
    asked = iter([False] * 6 + [True])
    monkeypatch.setattr(Stop, "asked", property(lambda _: next(asked, False), lambda *_: None))
    with pytest.raises(Terminated):
        trained(Checkpoint(tmp_path / "checkpoint", "x"))
    assert trained(Checkpoint(tmp_path / "checkpoint", "x")) == (whole, [2, 3, 4])


def test_a_checkpoint_of_something_else_is_not_used(tmp_path: Path) -> None:
    trained(Checkpoint(tmp_path / "checkpoint", "x"))
    assert trained(Checkpoint(tmp_path / "checkpoint", "y"))[1] == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, 7, 1000])
def test_a_damaged_checkpoint_is_not_used(tmp_path: Path, size: int) -> None:
    file = tmp_path / "checkpoint"
    whole, _ = trained(Checkpoint(file, "x"))
    file.write_bytes(file.read_bytes()[:size])
    assert trained(Checkpoint(file, "x")) == (whole, [1, 2, 3, 4])


class Dying(Quiet):
    """Does not live to tell of so many epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def epoch(self, report: EpochReport) -> None:
        super().epoch(report)
        self.left -= 1
        if not self.left:
            raise Killed


def test_a_run_that_is_killed_while_a_pruned_student_is_taught_ships_the_same_bytes(
    world: World, work: Path, tmp_path: Path
) -> None:
    order = world.change(
        student={"architecture": "mlp", "width": 512},
        compress={"prune": 0.9},
        gates={**world.order["gates"], "maxSize": 4000},  # none but a pruned form is that small
        push=world.repository("killed-pruned"),
    )
    whole, _ = distil(order, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        job.run(order, Client(), work, Dying(12))  # 8 epochs, then 8 of the pruned student
    resumed, told = distil(order, work)
    assert [report.epoch for report in told.epochs] == [4, 5, 6, 7, 8]
    assert (whole.accepted, resumed.digest) == (True, whole.digest)


def test_a_finished_training_is_not_done_again(world: World, work: Path) -> None:
    first, _ = distil(world.change(), work)
    second, told = distil(world.change(), work)
    assert told.epochs == []
    assert second.digest == first.digest


def test_another_gate_is_no_reason_to_train_anew(world: World, work: Path) -> None:
    refused, _ = distil(world.change(gates={"maxSize": 10}), work)
    accepted, told = distil(world.change(), work)
    assert (refused.code, accepted.code, told.epochs) == ("Rejected", "Accepted", [])


def run(order: Order, work: Path, kill_after: int = 0, how: int = signal.SIGKILL) -> tuple[Outcome | None, int]:
    """The command in a process of its own, and its first epoch; gets a signal when it has told of `kill_after`."""
    environment = {**os.environ, "EDGEMODEL_DISTILL_ORDER": order.dump(), "EDGEMODEL_WORK": str(work)}
    command = [sys.executable, "-m", "edgemodel_distill"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if kill_after and json.loads(line).get("epoch") == kill_after:
                process.send_signal(how)
                break
        process.stdout.read()
    first = next(event["epoch"] for event in map(json.loads, lines) if event.get("event") == "epoch")
    if kill_after:
        assert process.returncode == (-how if how == signal.SIGKILL else 1)
        return None, first
    return parse(lines[-1]), first


def test_a_run_that_is_killed_and_then_terminated_ships_the_same_bytes_as_one_that_is_neither(
    world: World, work: Path, tmp_path: Path
) -> None:
    order = world.change(epochs=30, push=world.repository("killed"))
    undisturbed, _ = run(order, tmp_path / "undisturbed")
    run(order, work, kill_after=6)
    assert run(order, work, kill_after=18, how=signal.SIGTERM)[1] >= 6
    assert list(work.glob("candidate*")) == []
    resumed, first = run(order, work)
    assert first >= 18
    assert undisturbed.accepted
    assert resumed.digest == undisturbed.digest
