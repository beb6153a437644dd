"""Which driver runs the lab: what LAB_DRIVER says, else kind where all that it needs is present."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import choice, shell
from lab.errors import LabError
from lab.home import Home
from lab.kind import Kind

Install = Callable[..., Home]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """A machine with these commands and no others; docker's engine answers or not."""

    def make(*commands: str, docker: str = "echo '{}'") -> Home:
        for name in commands:
            (tmp_path / name).write_text(f"#!/bin/sh\n{docker}\n")
            (tmp_path / name).chmod(0o755)
        return Home(tmp_path / "home")

    monkeypatch.setattr(shell, "SYSTEM_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LAB_DRIVER", raising=False)
    choice.kind.cache_clear()
    return make


def test_kind_runs_the_lab_where_all_that_it_needs_is_present(install: Install) -> None:
    assert choice.kind(install(*choice.COMMANDS))


def test_without_kind_the_cluster_is_built(install: Install) -> None:
    assert not choice.kind(install(*set(choice.COMMANDS) - {"kind"}))


def test_a_docker_command_without_an_engine_is_not_enough(install: Install) -> None:
    assert choice.missing(install(*choice.COMMANDS, docker="exit 1")) == ["a Docker engine (`docker info` fails)"]


@pytest.mark.parametrize(
    "engine", [{"OperatingSystem": "Docker Desktop"}, {"SecurityOptions": ["name=seccomp", "name=rootless"]}]
)
def test_an_engine_that_hides_its_containers_is_not_enough(install: Install, engine: dict[str, object]) -> None:
    (lacking,) = choice.missing(install(*choice.COMMANDS, docker=f"echo '{json.dumps(engine)}'"))
    assert lacking == "a Docker engine whose containers can be reached (not Docker Desktop, not rootless)"


def test_a_command_that_was_built_for_the_lab_counts(install: Install) -> None:
    home = install(*set(choice.COMMANDS) - {"helm"})
    home.make_folders()
    (home.bin / "helm").touch()
    assert choice.kind(home)


def test_self_built_wins_over_docker(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DRIVER", "self-built")
    assert not choice.kind(install(*choice.COMMANDS))


def test_asking_for_kind_names_what_is_missing(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DRIVER", "kind")
    with pytest.raises(LabError, match="LAB_DRIVER=kind: missing here: kind, helm"):
        choice.kind(install("docker", "kubectl", "openssl"))


def test_another_driver_is_refused_with_the_choice(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DRIVER", "minikube")
    with pytest.raises(LabError, match="LAB_DRIVER: want kind or self-built, got 'minikube'"):
        choice.kind(install())


def test_an_unknown_node_of_kind_is_refused_with_the_choice(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no node 'edge-1': choose one of edgemodel-lab-worker,"):
        Kind(Home(tmp_path)).cut("edge-1")
