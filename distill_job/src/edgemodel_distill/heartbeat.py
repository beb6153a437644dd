"""Notices that a run hangs: every piece of work is a beat, and without beats somebody gives up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Heart:
    """Counts the beats of this process."""

    beats: int = 0

    def beat(self) -> None:
        """A step of a training, a batch of a teacher's answers, another stage: something was done."""
        self.beats += 1


HEART = Heart()


@contextmanager
def watched(patience: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Call `give_up`, in a thread of its own, when there was no beat for `patience` seconds in here."""
    over = threading.Event()

    def look() -> None:
        seen = -1
        while seen != HEART.beats:
            seen = HEART.beats
            if over.wait(patience):
                return
        give_up()

    thread = threading.Thread(target=look, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
