"""Worlds to begin with, made once; logs of a simulated operator are of no interest, and costly."""

import copy
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.unit.operator.world import World


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def one_good() -> World:
    """v1 serves and was proved good. To be copied, not changed."""
    world = World()
    world.until(lambda w: w.status.last_good == "v1")
    return world


@pytest.fixture(scope="session")
def two_good(one_good: World) -> World:
    """v2 serves everywhere and was proved good, v1 before it. To be copied, not changed."""
    world = copy.deepcopy(one_good)
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    return world
