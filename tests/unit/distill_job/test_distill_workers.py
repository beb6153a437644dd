"""Several workers, each a process of its own on loopback, train what one worker trains."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
import torch
import yaml
from torch import distributed

from edgemodel.distillation import Order
from edgemodel.outcome import Outcome, parse
from edgemodel_distill.config import Post
from edgemodel_distill.crew import Crew
from edgemodel_distill.errors import BadSettings
from edgemodel_distill.group import key
from tests.unit.distill_job import as_worker
from tests.unit.distill_job.test_distill_process import free_port
from tests.unit.distill_job.tiny_world import World

CLOSE = 1e-5
"""Sums in another order round differently; over some steps that grows to so much at most."""

NOISE = 0.03
"""Of an accuracy: other units are dropped out, and 397 images tell two equal students apart by so much."""

Process = subprocess.Popen[str]


KUBELETS_PATIENCE = 30
"""Seconds from SIGTERM to SIGKILL."""


@contextmanager
def workers(command: list[str], folder: Path, count: int = 2, **more: str) -> Iterator[list[Process]]:
    """`count` processes that know their places, as an Indexed Job's pods do; each has a work folder and a result."""
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with ExitStack() as stack:
        found = []
        for rank in range(count):
            own = {"EDGEMODEL_WORK": str(folder / f"work-{rank}"), "EDGEMODEL_RESULT": str(folder / f"result-{rank}")}
            environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", **shared, "RANK": str(rank), **own, **more}
            found.append(stack.enter_context(_process([sys.executable, "-m", *command], environment)))
        yield found


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[Process]:
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# The training itself


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """What two workers leave behind; see `as_worker`."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "teacher").symlink_to(world.folder / "teacher")
    (folder / "order.json").write_text(world.change().dump())
    with workers(["tests.unit.distill_job.as_worker", str(folder)], folder) as processes:
        assert [process.wait(300) for process in processes] == [0, 0]
    return folder


@pytest.mark.parametrize("name", as_worker.RECIPES)
def test_both_workers_end_with_the_same_student(two: Path, name: str) -> None:
    assert (two / f"{name}-0").read_bytes() == (two / f"{name}-1").read_bytes()


@pytest.mark.parametrize("name", [name for name in as_worker.RECIPES if name != "dropout"])
def test_two_workers_train_what_one_trains(two: Path, name: str) -> None:
    ours = safetensors.numpy.load((two / f"{name}-0").read_bytes())
    alone = safetensors.numpy.load(as_worker.student(as_worker.RECIPES[name]))
    for layer, values in alone.items():
        np.testing.assert_allclose(ours[layer], values, atol=CLOSE, err_msg=layer)


def test_a_student_with_dropout_is_as_good_as_that_of_one_worker(two: Path) -> None:
    alone, ours = as_worker.digits_student(), told(two, 0)["accuracy"]
    assert alone > 0.9
    assert ours == pytest.approx(alone, abs=NOISE)


def told(two: Path, rank: int) -> dict[str, object]:
    found: dict[str, object] = json.loads((two / f"told-{rank}").read_text())
    return found


@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_worker_runs_out_of_memory_all_halve_the_batch(two: Path, rank: int) -> None:
    assert told(two, rank)["notes"] == ["out of memory with batches of 64: once more with 32"]


@pytest.mark.parametrize(
    ("gpus", "backend"),
    [(("", ""), "gloo"), (("A", "B"), "cpu:gloo,cuda:nccl"), (("A", "A"), "gloo"), (("A", ""), "gloo")],
    ids=["no GPU", "a GPU each", "one for both", "one without"],
)
def test_numbers_go_over_nccl_where_each_worker_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, gpus: tuple[str, str], backend: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus[0]))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid=gpus[0]))
    monkeypatch.setattr(distributed, "init_process_group", lambda backend, **_: asked.append(backend))
    store = distributed.HashStore()
    store.set(key("gpu of 1", 0), gpus[1])
    assert Crew(Post(rank=0, workers=2, leader="127.0.0.1", port=1), store, 60).assemble()
    assert asked == [backend]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_loss_that_is_no_number_is_seen_by_all(two: Path, rank: int) -> None:
    assert told(two, rank)["nan"] == "NanLoss"


# The whole run


def outcome(folder: Path, rank: int = 0) -> Outcome:
    return parse((folder / f"result-{rank}").read_text())


def epochs(process: Process, until: int | None = None) -> list[int]:
    """Those that the leader told of, to the end or to epoch `until`."""
    found: list[int] = []
    for line in process.stdout or ():
        event = json.loads(line)
        found += [event["epoch"]] if event.get("event") == "epoch" else []
        if found and found[-1] == until:
            break
    return found


@pytest.fixture(scope="module")
def long(world: World) -> Order:
    return world.change(epochs=40, push=world.repository("workers"))


def run(order: Order) -> dict[str, str]:
    return {"EDGEMODEL_DISTILL_ORDER": order.dump()}


@pytest.mark.long
def test_a_killed_worker_ends_the_others_and_new_pods_ship_what_an_undisturbed_run_ships(
    long: Order, tmp_path: Path
) -> None:
    """Each start has new pods, which have nothing of those before but the claim's folder, and only the leader that."""
    command, kept = ["edgemodel_distill"], {"EDGEMODEL_CHECKPOINTS": str(tmp_path / "claim" / "uid" / "distilled-1")}
    for name in ("whole", "killed", "new"):
        (tmp_path / name).mkdir()
    with workers(command, tmp_path / "whole", **run(long)) as (leader, helper):
        epochs(leader)
        assert (leader.wait(200), helper.wait(200)) == (0, 0)
    with workers(command, tmp_path / "killed", **run(long), **kept) as (leader, helper):
        epochs(leader, until=3)
        helper.send_signal(signal.SIGKILL)
        epochs(leader)
        assert leader.wait(200) == 1
    assert outcome(tmp_path / "killed").code == "WorkerLost"
    with workers(command, tmp_path / "new", **run(long), **kept) as (leader, helper):
        resumed = epochs(leader)
        assert (leader.wait(200), helper.wait(200)) == (0, 0)
    assert resumed[0] > 3
    assert outcome(tmp_path / "whole").accepted
    assert outcome(tmp_path / "new").digest == outcome(tmp_path / "whole").digest
    assert not (tmp_path / "whole" / "result-1").exists()
    assert list((tmp_path / "claim").iterdir()) == []


def test_sigterm_ends_a_leader_that_waits_for_a_stopped_worker(world: World, tmp_path: Path) -> None:
    endless = world.change(epochs=10_000, push=world.repository("stopped"))
    with workers(["edgemodel_distill"], tmp_path, **run(endless)) as (leader, helper):
        epochs(leader, until=2)
        helper.send_signal(signal.SIGSTOP)
        leader.send_signal(signal.SIGTERM)
        assert leader.wait(KUBELETS_PATIENCE) == 1
        helper.send_signal(signal.SIGCONT)
        assert helper.wait(200) == 1
    assert (outcome(tmp_path).code, outcome(tmp_path, 1).code) == ("Terminated", "WorkerLost")
    assert (tmp_path / "work-0" / "checkpoint.safetensors").exists()


@pytest.mark.long
def test_a_worker_that_is_stopped_ends_the_others(world: World, tmp_path: Path) -> None:
    endless = world.change(epochs=10_000, push=world.repository("silent"))
    with workers(["edgemodel_distill"], tmp_path, EDGEMODEL_PATIENCE="30", **run(endless)) as (leader, helper):
        epochs(leader, until=1)
        helper.send_signal(signal.SIGSTOP)
        assert leader.wait(200) == 1
    assert outcome(tmp_path).code == "WorkerLost"
    assert "no sign of life of worker 1 for 15 seconds" in outcome(tmp_path).message


@pytest.mark.long
def test_an_error_of_the_leader_is_every_workers_error(world: World, tmp_path: Path) -> None:
    gone = {"uri": "file:///nowhere", "digest": "sha256:" + "0" * 64}
    with workers(["edgemodel_distill"], tmp_path, **run(world.change(teacher=gone))) as processes:
        assert [process.wait(200) for process in processes] == [1, 1]
    assert [outcome(tmp_path, rank).code for rank in (0, 1)] == ["TeacherMissing", "TeacherMissing"]


@pytest.mark.long
def test_workers_that_do_not_come_are_named(world: World, tmp_path: Path) -> None:
    place = {"WORLD_SIZE": "3", "EDGEMODEL_PATIENCE": "1"}
    with workers(["edgemodel_distill"], tmp_path, count=1, **run(world.change()), **place) as (leader,):
        assert leader.wait(200) == 1
    assert outcome(tmp_path).code == "WorkersMissing"
    assert "of rank 1, 2" in outcome(tmp_path).message


@pytest.mark.long
def test_a_file_may_ask_for_workers_on_this_machine(world: World, tmp_path: Path) -> None:
    wanted = {
        "teacher": str(world.folder / "teacher"),
        "dataset": str(world.folder / "dataset"),
        "student": {"architecture": "mlp", "width": 8},
        "epochs": 8,
        "learningRate": 0.05,
        "batchSize": 32,
        "workers": 2,
        "gates": {"minAccuracy": 0.8},
        "output": "student",
    }
    (tmp_path / "distill.yaml").write_text(yaml.safe_dump(wanted))
    command = [sys.executable, "-m", "edgemodel_distill", "--config", str(tmp_path / "distill.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    card = json.loads((tmp_path / "student" / "bundle.json").read_text())
    assert card["lineage"]["config"]["workers"] == 2
    assert not (tmp_path / ".edgemodel-distill" / "distill").exists()


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, "RANK"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK"),
        ({"WORLD_SIZE": "2", "RANK": "1"}, "MASTER_ADDR"),
        ({"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "x"}, "MASTER_PORT"),
    ],
)
def test_a_place_that_cannot_be_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        Post.read(environment)


def test_without_a_place_a_worker_is_alone() -> None:
    assert Post.read({"RANK": "7"}) == Post()
