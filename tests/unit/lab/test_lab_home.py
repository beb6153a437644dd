"""Everything is under one folder, which one command at a time may change."""

import threading
from pathlib import Path

import pytest

from lab.home import Home


def test_the_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_HOME", str(tmp_path / "elsewhere"))
    assert Home.default().root == tmp_path / "elsewhere"


def test_without_it_the_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAB_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Home.default().root == tmp_path / "edgemodel-lab"


def test_a_second_command_says_whom_it_waits_for_and_then_goes_on(tmp_path: Path) -> None:
    home, said, entered = Home(tmp_path), [], threading.Event()
    told = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        told.set()

    def second() -> None:
        with home.locked(say):
            entered.set()

    with home.locked(say):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(5)
        assert not entered.is_set()
    thread.join(5)

    assert entered.is_set()
    assert "waiting for process" in said[0]
