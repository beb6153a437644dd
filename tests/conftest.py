"""For all tests: how they share the machine, and that its speed decides nothing."""

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("no-clock", deadline=None)  # a property is true or not, however long an example takes
settings.load_profile("no-clock")

TOGETHER = ("tests/e2e/", "tests/apiserver/")
"""Folders whose tests share a cluster or addresses: each all in one process."""


class ByFile(LoadScopeScheduling):
    """Each file is one process's, for its fixtures, and so are some folders."""

    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
        return folder or nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Where tests run in several processes: marks that group tests do nothing under pytest 9.2 and pytest-xdist 3.8."""
    return ByFile(config, log)
