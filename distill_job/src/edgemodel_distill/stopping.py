"""SIGTERM: ends the process at once where nothing would be lost, and after the step at hand in a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Stop:
    """Whether somebody asked for the end; there is one per process, as there is one SIGTERM."""

    gently: bool = False
    """Whether a training is looking at `asked`."""
    asked: bool = False


STOP = Stop()


@contextmanager
def gently() -> Iterator[Stop]:
    """Let SIGTERM only set `asked` in here: whoever looks at it saves what there is, and raises Terminated."""
    STOP.gently, STOP.asked = True, False
    try:
        yield STOP
    finally:
        STOP.gently = False
