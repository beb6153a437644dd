"""For all tests: how they share the machine, and that its speed decides nothing."""

import pytest
from hypothesis import settings

settings.register_profile("no-clock", deadline=None)  # a property is true or not, however long an example takes
settings.load_profile("no-clock")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each file in one process, for its fixtures, and all that use the lab's one cluster in another."""
    for item in items:
        cluster = item.get_closest_marker("e2e") is not None
        item.add_marker(pytest.mark.xdist_group("cluster" if cluster else item.path.name))
