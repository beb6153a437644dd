"""A killed training goes on where it was, and ends with the very same student."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemodel.distillation import Augment, Method, Order
from edgemodel.outcome import parse
from edgemodel_distill import job, students
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled
from edgemodel_distill.errors import Terminated
from edgemodel_distill.progress import EpochReport
from edgemodel_distill.stopping import Stop
from edgemodel_distill.train import EpochLosses, seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry import Client, write_samples
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
    told: list[str] = []
    trained(Checkpoint(tmp_path / "checkpoint", "x"))
    assert trained(Checkpoint(tmp_path / "checkpoint", "y", tell=told.append))[1] == [1, 2, 3, 4]
    assert told == ["checkpoint is of other settings, data or libraries, so the training begins anew"]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:7],
        lambda data: data[:1000],
        lambda data: flipped(data, len(data) - 1),
        lambda data: flipped(data, data.index(b"rate")),
        lambda data: data.replace(b'"F32"', b'"I32"'),
        lambda data: data[:-500] + bytes(500),
    ],
    ids=[
        "empty",
        "seven bytes",
        "half a header",
        "a bit of a weight",
        "a bit of the header",
        "another type",
        "blocks of zeros",
    ],
)
def test_a_damaged_checkpoint_is_not_used_and_that_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "checkpoint"
    whole, _ = trained(Checkpoint(file, "x"))
    file.write_bytes(damage(file.read_bytes()))
    told: list[str] = []
    assert trained(Checkpoint(file, "x", tell=told.append)) == (whole, [1, 2, 3, 4])
    assert [line.partition(":")[0] for line in told] == ["checkpoint is damaged, so the training begins anew"]


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


# As a Job runs it: each try is a new pod, which has nothing of the one before but the claim's folder


def run(order: Order, pod: Path, claim: Path, kill_after: int = 0, how: int = signal.SIGKILL) -> tuple[str, int]:
    """The last line, and the first epoch, of a new pod; it gets a signal when it has told of epoch `kill_after`."""
    own = {"EDGEMODEL_DISTILL_ORDER": order.dump(), "EDGEMODEL_WORK": str(pod), "EDGEMODEL_CHECKPOINTS": str(claim)}
    command = [sys.executable, "-m", "edgemodel_distill"]
    with subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if kill_after and json.loads(line).get("epoch") == kill_after:
                process.send_signal(how)
                break
        process.stdout.read()
    first = next(event["epoch"] for event in map(json.loads, lines) if event.get("event") == "epoch")
    assert not kill_after or process.returncode == (-how if how == signal.SIGKILL else 1)
    assert not pod.exists()
    return lines[-1], first


def push_samples(folder: Path, sink: str, seed: int) -> None:
    """What node one found hard, under its tag."""
    far = np.random.default_rng(seed).uniform(-3, 3, (100, 2)).astype(np.float32)
    write_samples(folder, "hard", far, np.zeros(100, np.float32))
    Client().push(folder, sink, ["one"])


def test_an_order_whose_pods_are_killed_and_evicted_ships_the_same_bytes_as_one_that_is_left_alone(
    world: World, tmp_path: Path
) -> None:
    sink, claim = world.repository("killed-samples"), tmp_path / "claim" / "uid" / "distilled-3"
    samples = {"sink": sink, "tags": ["one"]}
    order = world.change(epochs=30, samples=samples, push=world.repository("killed"))
    push_samples(tmp_path / "before", sink, 1)
    undisturbed, _ = run(order, tmp_path / "pod", tmp_path / "elsewhere")
    run(order, tmp_path / "pod-1", claim, kill_after=6)
    push_samples(tmp_path / "meanwhile", sink, 2)  # nodes do not wait for a training
    assert run(order, tmp_path / "pod-2", claim, kill_after=18, how=signal.SIGTERM)[1] >= 6
    assert list(claim.glob("candidate*")) == []
    resumed, first = run(order, tmp_path / "pod-3", claim)
    assert first >= 18
    assert parse(undisturbed).accepted
    assert parse(resumed).digest == parse(undisturbed).digest
    assert list((tmp_path / "claim").iterdir()) == []


def test_another_order_takes_the_samples_that_are_there_then(world: World, work: Path, tmp_path: Path) -> None:
    sink = world.repository("later-samples")
    order = world.change(samples={"sink": sink, "tags": ["one"]}, push=world.repository("later"))
    push_samples(tmp_path / "before", sink, 1)
    distil(order, work)
    push_samples(tmp_path / "after", sink, 2)
    again, told = distil(order, work)
    assert told.epochs == []
    other, told = distil(order.model_copy(update={"seed": 4}), work)
    assert len(told.epochs) == 8
    assert (again.edge_samples, other.digest == again.digest) == (100, False)
