"""The lab's cluster with the operator installed from its own image; made once per session, used again if it runs."""

import pytest

from lab.demo.plant import Plant, prepare
from lab.progress import Progress


@pytest.fixture(scope="session")
def progress() -> Progress:
    return Progress(print)


@pytest.fixture(scope="session")
def plant(progress: Progress) -> Plant:
    return prepare(progress)
