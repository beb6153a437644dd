"""SIGTERM and Ctrl-C: end the process at once where nothing would be lost, after the step at hand in a training."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""What asks for the end; the second is Ctrl-C."""


@dataclass(slots=True)
class Stop:
    """Whether somebody asked for the end; there is one per process, as signals are."""

    gently: bool = False
    """Whether a training is looking at `asked`."""
    asked: bool = False


STOP = Stop()


@contextmanager
def gently() -> Iterator[Stop]:
    """Let the signals only set `asked` in here: whoever looks at it saves what there is, and raises Terminated."""
    STOP.gently, STOP.asked = True, False
    try:
        yield STOP
    finally:
        STOP.gently = False


@contextmanager
def in_time(seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Call `give_up`, in a thread of its own, when this has not ended `seconds` after a signal that asks for it.

    A handler in Python runs once the main thread is back from a library's code, where it may wait for another worker.
    What the interpreter itself does at once is to write a byte.
    """
    ears, mouth = socket.socketpair()
    mouth.setblocking(False)
    over = threading.Event()

    def wait() -> None:
        with ears:
            while heard := ears.recv(1):
                if heard[0] in SIGNALS and not over.wait(seconds):
                    give_up()

    threading.Thread(target=wait, name="end in time", daemon=True).start()
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        mouth.close()
