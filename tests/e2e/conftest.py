"""The lab's cluster with the operator installed from its own image; made once per session, used again if it runs."""

import sys
from collections.abc import Iterator

import pytest

from lab.demo.plant import Plant, prepare
from lab.home import REPOSITORY
from lab.progress import Progress

TIMELINE = REPOSITORY / "build" / "e2e.log"
"""What happened when, also of tests that passed; `tail -f` shows it while they run."""


@pytest.fixture(scope="session")
def progress() -> Iterator[Progress]:
    TIMELINE.parent.mkdir(exist_ok=True)
    with TIMELINE.open("w", buffering=1) as file:

        def tell(line: str) -> None:
            for sink in (sys.stdout, file):
                sink.write(f"{line}\n")

        yield Progress(tell)


@pytest.fixture(scope="session")
def plant(progress: Progress) -> Plant:
    return prepare(progress)
