"""How the workers of one training find each other, and how they part."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]  # torch does not list what it exports

from edgemodel_distill.config import Post
from edgemodel_distill.crew import ALONE, OVER, TICK, Crew
from edgemodel_distill.errors import DistillError, Terminated, WorkerLost, WorkersMissing, classify
from edgemodel_distill.group import key
from edgemodel_distill.life import signs_of_life

_HERE = "127.0.0.1"
"""The leader's own address to itself: its name may not be known yet."""

_FAREWELL = 2.0
"""Seconds that the leader keeps the store open at its end, for the others to read how it was."""
_LEFT = "left"


@contextmanager
def meet(post: Post, patience: float, give_up: Callable[[DistillError, Crew], None]) -> Iterator[Crew]:
    """The crew that `post` belongs to, for as long as this lasts; what is raised in here ends all of it.

    `give_up` is called, in a thread of its own, where the main thread may wait for another worker for ever.

    Raises:
        WorkersMissing: some are not there within `patience` seconds.
    """
    if post.workers == 1:
        yield ALONE
        return
    store = _store(post, _HERE, leads=True) if post.rank == 0 else _join(post, patience)
    crew = Crew(post, store, patience)
    own = _store(post, _HERE, leads=False) if crew.leads else _find(post, time.monotonic())
    with signs_of_life(crew, own, patience, lambda lost: give_up(lost, crew)), _farewell(crew, store):
        if crew.leads:
            _await_all(crew, store, patience)
        yield crew


@contextmanager
def _farewell(crew: Crew, store: Store) -> Iterator[None]:
    """Let the others know how this worker ends."""
    done = False
    try:
        yield
        done = True
    except Terminated:
        crew.tell(Terminated.__name__, "")
        raise
    except Exception as error:
        known = classify(error)
        crew.tell(known.code, str(known))
        raise
    finally:
        crew.part_ways()
        _say_goodbye(crew, store, done=done)


def _say_goodbye(crew: Crew, store: Store, *, done: bool) -> None:
    with suppress(RuntimeError):  # somebody was quicker
        if not crew.leads:
            store.add(_LEFT, 1)
            return
        if done:
            store.set(OVER, "")
        until = time.monotonic() + _FAREWELL
        while store.add(_LEFT, 0) < crew.size - 1 and time.monotonic() < until:
            time.sleep(TICK)


def _await_all(crew: Crew, store: Store, patience: float) -> None:
    deadline = time.monotonic() + patience
    while missing := [rank for rank in range(1, crew.size) if not store.check([key("here", rank)])]:
        crew.check()
        if time.monotonic() > deadline:
            raise WorkersMissing(
                f"{len(missing)} of {crew.size} workers did not come within {patience:g} seconds (of rank "
                f"{', '.join(map(str, missing))}): is there room for their pods, and can they reach this one?"
            )
        time.sleep(TICK)


def _join(post: Post, patience: float) -> Store:
    """The leader's store; its pod may have no address yet, or not listen."""
    store = _find(post, time.monotonic() + patience)
    try:
        before = store.add(key("here", post.rank), 1) - 1
    except RuntimeError as error:
        raise WorkerLost(f"worker 0 is gone: {error!s:.200}") from error
    if before:
        lost = WorkerLost(f"worker {post.rank} began anew, and the others cannot go on: all have to begin anew")
        Crew(post, store, patience).tell(lost.code, str(lost))
        raise lost
    return store


def _find(post: Post, deadline: float) -> Store:
    while True:
        try:
            return _store(post, post.leader, leads=False)
        except RuntimeError as error:  # in short tries: PyTorch's code hears no signal
            if time.monotonic() > deadline:
                message = f"worker 0 was not found at {post.leader}:{post.port}: {error!s:.200}"
                raise WorkersMissing(message) from error
            time.sleep(TICK)


def _store(post: Post, address: str, *, leads: bool) -> Store:
    store = TCPStore(
        address,
        post.port,
        is_master=leads,
        timeout=timedelta(seconds=5),
        wait_for_workers=False,
        master_listen_fd=post.listener if leads else None,
        use_libuv=False,  # Debian's PyTorch is built without it
    )
    store.set_timeout(timedelta(seconds=30))
    return store
