"""The process as the image runs it: order in, JSON lines and Outcome out."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgemodel.outcome import MESSAGE_LIMIT, Choice, Gate, Outcome, parse
from edgemodel_distill import errors, heartbeat, job, metrics, result
from edgemodel_distill.__main__ import main
from edgemodel_distill.config import Settings
from edgemodel_distill.progress import Bar, DataReport, EpochReport
from edgemodel_registry import Client
from tests.unit.distill_job.tiny_world import GONE, Quiet, World


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int
    stdout: str
    outcome: Outcome

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The JSON lines of that kind."""
        lines = [json.loads(line) for line in self.stdout.splitlines()]
        return [line for line in lines if line.get("event") == kind]


@pytest.fixture
def run_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Calls the command with an order in its environment, as the image does."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(order: str | None, *arguments: str) -> Ended:
        if order is not None:
            monkeypatch.setenv("EDGEMODEL_DISTILL_ORDER", order)
        monkeypatch.setenv("EDGEMODEL_RESULT", str(tmp_path / "result"))
        status = main(arguments)
        return Ended(status, capsys.readouterr().out, parse((tmp_path / "result").read_text()))

    yield call
    signal.signal(signal.SIGTERM, handler)


RunCommand = Callable[..., Ended]


def test_a_run_tells_each_epoch_as_a_json_line_and_ends_with_its_outcome(world: World, run_command: RunCommand) -> None:
    ended = run_command(world.change().dump())
    assert (ended.status, ended.outcome.accepted) == (0, True)
    assert [line["epoch"] for line in ended.events("epoch")] == list(range(1, 9))
    assert [line["stage"] for line in ended.events("stage")][-1] == "Publishing"
    assert parse(ended.stdout.splitlines()[-1]) == ended.outcome


def test_a_line_tells_how_many_samples_each_class_has(world: World, run_command: RunCommand) -> None:
    (data,) = run_command(world.change(epochs=1).dump()).events("data")
    assert (len(data["per_class"]), sum(data["per_class"])) == (4, data["training"] + data["holdout"])


def test_a_disk_that_fills_up_has_a_code_keeps_the_last_checkpoint_and_pushes_nothing(
    world: World, run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    monkeypatch.setenv("EDGEMODEL_WORK", str(work))
    order = world.change(gates={"maxSize": 10}).dump()
    assert run_command(order).outcome.code == "Rejected"
    before = (work / "checkpoint.safetensors").read_bytes()
    (work / "checkpoint.safetensors.partial").symlink_to("/dev/full")  # where the next one is written first
    ended = run_command(world.change(seed=1, push=world.repository("full-disk")).dump())
    assert (ended.status, ended.outcome.code) == (1, "DiskFull")
    assert "EDGEMODEL_WORK" in ended.outcome.message
    assert (work / "checkpoint.safetensors").read_bytes() == before
    assert world.manifests("full-disk") == []


def test_a_rejected_student_is_no_failure_of_the_job(world: World, run_command: RunCommand) -> None:
    ended = run_command(world.change(gates={"maxSize": 10}, push=world.repository("rejected-by-command")).dump())
    assert (ended.status, ended.outcome.code) == (0, "Rejected")


def test_an_order_may_come_from_a_file(world: World, run_command: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(world.change(teacher={"uri": "file:///nowhere", "digest": GONE}).dump())
    ended = run_command(None, "--order", str(tmp_path / "order.json"))
    assert (ended.status, ended.outcome.code) == (1, "TeacherMissing")


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (None, "EDGEMODEL_DISTILL_ORDER"),
        ("{}", "order.teacher"),
        ("rubbish", "order"),
        ('{"epochs": 0}', "order.epochs"),
    ],
)
def test_a_bad_order_names_the_field(run_command: RunCommand, order: str | None, field: str) -> None:
    ended = run_command(order)
    assert (ended.status, ended.outcome.code) == (1, "BadOrder")
    assert field in ended.outcome.message


def computing(pid: int) -> float:
    """Seconds that the process has computed."""
    _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_training_in_time_with_a_code(world: World, tmp_path: Path, asked: signal.Signals) -> None:
    order = world.change(epochs=10_000, push=world.repository("terminated"))
    environment = {"EDGEMODEL_DISTILL_ORDER": order.dump(), "EDGEMODEL_RESULT": str(tmp_path / "result")}
    command = ["env", "--default-signal=INT", sys.executable, "-m", "edgemodel_distill"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while '"epoch"' not in process.stdout.readline():
            assert process.poll() is None
        before = computing(process.pid)
        process.send_signal(asked)
        process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert used.ru_utime + used.ru_stime - before < 3  # computing, not waiting: others may have the processor
    assert process.returncode == 1
    assert parse((tmp_path / "result").read_text()).code == "Terminated"
    assert world.manifests("terminated") == []


def test_an_outcome_always_fits_the_termination_message() -> None:
    gates = tuple(Gate(name="maxExportDifference", want=0.001, got=1 / 3, passed=True) for _ in range(7))
    long = Outcome(code="Rejected", message="Größe " * 2000, gates=gates, scores={"accuracy": 1 / 3})
    text = result.render(long)
    assert len(text.encode()) <= MESSAGE_LIMIT
    assert parse(text).gates == gates
    assert parse(text).message.startswith("Größe Größe")


def test_the_longest_table_of_forms_fits_beside_all_gates() -> None:
    gates = tuple(Gate(name="minTeacherConfidence", want=0.001, got=1 / 3, passed=False) for _ in range(14))
    scores = {f"teacherEdgeConfidence{number}": 0.3333 for number in range(8)}
    why = "0.33 of fp32's size, 0.67 of its time; pruned-int8-static is faster"
    names = ("fp32", "int8-static", "pruned-fp32", "pruned-int8-static")
    figures = {"size": 1 << 24, "macs": 10**8, "accuracy": 0.9876, "latency_ms": 1234.5678, "latency_ms16": 12345.6789}
    choice = tuple(Choice(name=name, ships=False, why=why, **figures) for name in names)
    digest = "sha256:" + "0" * 64
    told = Outcome(code="Accepted", message="x" * 9000, digest=digest, gates=gates, scores=scores, choice=choice)
    text = result.render(told)
    assert len(text.encode()) <= MESSAGE_LIMIT
    assert parse(text).choice == choice


def test_a_short_outcome_is_written_as_it_is(tmp_path: Path) -> None:
    outcome = Outcome(code="Rejected", message="refused", scores={"accuracy": 0.5})
    (tmp_path / "log").write_text("x" * 5000)
    result.write(tmp_path / "log", outcome)
    assert json.loads((tmp_path / "log").read_text()) == json.loads(outcome.dump())


def test_a_full_disk_has_a_code_of_its_own() -> None:
    with pytest.raises(OSError, match="No space left") as caught, Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    assert errors.classify(caught.value).code == "DiskFull"


@pytest.mark.parametrize("allocate", [lambda: torch.empty(1 << 60), lambda: np.empty(1 << 50)], ids=["torch", "numpy"])
def test_memory_that_runs_out_has_a_code_of_its_own(allocate: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    assert errors.classify(caught.value).code == "OutOfMemory"


def test_a_cause_behind_another_error_is_found() -> None:
    outer = ValueError("the model does not open")
    outer.__cause__ = MemoryError()
    assert errors.classify(outer).code == "OutOfMemory"


def test_a_bug_is_called_a_bug() -> None:
    assert errors.classify(KeyError("x")).code == "InternalError"


def test_a_thread_count_that_is_no_number_is_named() -> None:
    with pytest.raises(errors.BadSettings, match="EDGEMODEL_THREADS"):
        Settings.read({"EDGEMODEL_THREADS": "many"})


def test_a_terminal_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    report = EpochReport(
        epoch=3,
        epochs=4,
        percent=75,
        loss=0.5,
        soft_loss=0.5,
        hard_loss=0.5,
        holdout_accuracy=0.875,
        edge_agreement=None,
    )
    bar = Bar(sys.stdout)
    bar.stage("Training")
    bar.epoch(report)
    bar.stage("Measuring")
    shown = capsys.readouterr().out
    assert "75%" in shown
    assert "holdout 0.875" in shown
    assert shown.endswith("Measuring\n")


def test_a_terminal_names_the_classes_that_have_too_few_samples(capsys: pytest.CaptureFixture[str]) -> None:
    report = DataReport(training=40, holdout=13, per_class=(30, 20, 3), edge=7, repeated=0)
    Bar(sys.stdout).data(report)
    shown = capsys.readouterr().out
    assert "3 classes of 3 to 30; 7 without labels" in shown
    assert "unbalanced: few samples of the classes [2]" in shown


def test_metrics_tell_how_far_the_run_is(world: World, work: Path) -> None:
    """The port is open only while the run goes on: it is asked from within."""
    port = free_port()
    identity = {"edgemodel": "digits", "namespace": "plant-a", "node": "job-pod"}
    told: list[str] = []

    class Asking(Quiet):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "Measuring":
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    told.append(answer.read().decode())

    asking = Asking()
    with metrics.served(asking, "distilled-1", Settings(metrics_port=port, identity=identity)) as watch:
        job.run(world.change(), Client(), work, watch)
    labels = 'candidate="distilled-1",edgemodel="digits",namespace="plant-a",node="job-pod"'
    assert f"edgemodel_training_percent{{{labels}}} 100.0" in told[0]
    assert f"edgemodel_training_epoch{{{labels}}} 8.0" in told[0]
    last = asking.epochs[-1]
    assert f"edgemodel_training_loss{{{labels}}} {last.loss}" in told[0]
    assert f"edgemodel_training_holdout_accuracy{{{labels}}} {last.holdout_accuracy}" in told[0]


def test_a_port_that_is_taken_is_named(world: World) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        settings = Settings(metrics_port=taken.getsockname()[1], identity={"edgemodel": "digits"})
        with pytest.raises(errors.BadSettings, match="EDGEMODEL_METRICS_PORT"), metrics.served(Quiet(), "x", settings):
            pass


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_run_that_hangs_gives_up_and_says_so(world: World, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        teacher = {"uri": f"oci://127.0.0.1:{silent.getsockname()[1]}/teacher", "digest": GONE}
        environment = {
            **os.environ,
            "EDGEMODEL_DISTILL_ORDER": world.change(teacher=teacher).dump(),
            "EDGEMODEL_RESULT": str(tmp_path / "result"),
            "EDGEMODEL_PATIENCE": "1",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "edgemodel_distill"], env=environment, capture_output=True, check=False, timeout=120
        )
    assert ended.returncode == 1
    assert parse((tmp_path / "result").read_text()).code == "NoProgress"


def test_who_works_is_left_alone() -> None:
    gave_up = threading.Event()
    with heartbeat.watched(0.3, gave_up.set):
        for _ in range(40):
            heartbeat.HEART.beat()
            assert not gave_up.wait(0.02)
    assert not gave_up.is_set()
