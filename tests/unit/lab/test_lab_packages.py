"""Which Debian packages are wanted, and who may install them."""

import os
from pathlib import Path

import pytest

from lab import packages, shell
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Debian machine with what the tests need and nothing that the self-built nodes need."""
    for name in ("apt-get", *packages.FOR_TESTS):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(shell, "SYSTEM_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def test_the_tests_alone_want_nothing_that_only_the_nodes_need(tmp_path: Path) -> None:
    packages.ensure(Home(tmp_path), Progress(print), packages.FOR_TESTS)


def test_who_may_not_install_packages_is_told_which_ones_to_ask_for(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="only root may install packages: apt-get install buildah "):
        packages.ensure(Home(tmp_path), Progress(print), {"buildah": "buildah", "wanted-here": "zz"})
