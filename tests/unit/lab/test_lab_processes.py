"""Processes are recorded with their start time and ended by id."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab import processes, shell
from lab.errors import LabError


@pytest.fixture
def table(tmp_path: Path) -> processes.Table:
    return processes.Table(tmp_path / "processes.json")


def test_a_started_process_is_found_again_and_ended(table: processes.Table, tmp_path: Path) -> None:
    process = table.start("sleeper", ["sleep", "60"], tmp_path / "log")

    assert table.read() == {"sleeper": process}
    assert process.alive()
    table.stop("sleeper")
    assert not process.alive()
    assert table.read() == {}


def test_a_process_id_that_someone_else_got_is_left_alone(table: processes.Table, tmp_path: Path) -> None:
    process = table.start("sleeper", ["sleep", "60"], tmp_path / "log")
    stranger = replace(process, started=process.started - 1)

    assert not stranger.alive()
    stranger.stop()

    assert process.alive()
    table.stop("sleeper")


def test_a_process_that_ended_is_reported_dead(table: processes.Table, tmp_path: Path) -> None:
    table.start("short", ["true"], tmp_path / "log")
    shell.wait_for("end of true", lambda: table.dead() == ["short"], 5)


def test_a_process_that_ignores_the_request_is_made_to_end(table: processes.Table, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = table.start("stubborn", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], log)
    shell.wait_for("the trap", lambda: log.exists() and "ready" in log.read_text(), 5)
    process.stop(grace_s=0.1)
    assert not process.alive()


def test_the_same_name_is_not_started_twice(table: processes.Table, tmp_path: Path) -> None:
    table.start("sleeper", ["sleep", "60"], tmp_path / "log")
    with pytest.raises(LabError, match="sleeper runs already"):
        table.start("sleeper", ["sleep", "60"], tmp_path / "log")
    table.stop("sleeper")


def test_a_missing_program_is_named(table: processes.Table, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program: command not found"):
        table.start("x", ["no-such-program"], tmp_path / "log")


def test_children_are_found_by_their_parent(tmp_path: Path) -> None:
    process = processes.start(["sleep", "60"], tmp_path / "log")
    assert process.pid in processes.children(os.getpid())
    process.stop()
