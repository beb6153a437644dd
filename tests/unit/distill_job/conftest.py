"""A tiny world to distil in, with a real registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.distill_job.tiny_world import World, make_world
from tests.unit.registry.real_registry import RealRegistry, run_registry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Plain HTTP on loopback, no login."""
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, registry: RealRegistry) -> World:
    """Made once; tests change only their order."""
    return make_world(tmp_path_factory.mktemp("world"), registry)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The Job's work folder."""
    return tmp_path / "work"
