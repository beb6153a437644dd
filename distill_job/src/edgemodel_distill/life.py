"""Signs of life between the workers of one training: who is killed, stopped or cut off holds nobody up for ever.

A sum waits for every worker, and PyTorch waits in it for as long as a worker may be at work alone: long. So each worker
tells the leader's store every second that it is there, and whether it is in a sum.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass

from torch.distributed import Store  # type: ignore[attr-defined]  # torch does not list what it exports

from edgemodel_distill.crew import Crew
from edgemodel_distill.errors import WorkerLost
from edgemodel_distill.group import key
from edgemodel_distill.heartbeat import HEART

LONGEST_SILENCE = 60.0
"""Seconds: what a connection needs to go on again after a link was cut for 25 seconds, as TCP spaces its tries."""

_BEAT = 1.0
"""Seconds between two signs of life."""

_PARTING = 3.0
"""Seconds at the end for the last sign to be told; where the link is cut it never is."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a worker tells of itself, each time anew."""

    number: int
    beats: int
    """Pieces of work that are done."""
    sums: int
    """Twice those that are done, and one more while it is in one."""

    @property
    def waits(self) -> bool:
        """Whether it is in a sum."""
        return self.sums % 2 == 1

    def dump(self) -> str:
        """For the store."""
        return json.dumps(astuple(self))

    @classmethod
    def parse(cls, text: bytes) -> "Sign":
        """What another one told."""
        return cls(*json.loads(text))


class Ear:
    """Judges the signs of others; counts the looks that were in vain, so that a machine that slept blames nobody."""

    def __init__(self, ranks: Iterable[int], looks: int) -> None:
        """So many looks in vain are too many."""
        self._looks = looks
        self._signs: dict[int, Sign | None] = dict.fromkeys(ranks)
        self._silent = dict.fromkeys(self._signs, 0)
        self._sums: list[int] = []
        self._still = 0

    def hear(self, rank: int, sign: Sign) -> bool:
        """Take in what `rank` told last; whether it has done something since it was heard before."""
        before = self._signs[rank]
        if sign != before:
            self._signs[rank], self._silent[rank] = sign, 0
        return before is not None and before.beats != sign.beats

    def look(self, own: Sign) -> WorkerLost | None:
        """What is wrong, if something is; who was never heard is waited for elsewhere."""
        for rank, sign in self._signs.items():
            self._silent[rank] += sign is not None
            if self._silent[rank] > self._looks:
                seconds = self._looks * _BEAT
                return WorkerLost(
                    f"no sign of life of worker {rank} for {seconds:g} seconds: is it stopped, or its link cut?"
                )
        return self._look_at_sums([own, *(sign for sign in self._signs.values() if sign is not None)])

    def _look_at_sums(self, signs: list[Sign]) -> WorkerLost | None:
        """All are there, and each waits for the others' numbers: they were lost on the way."""
        sums = [sign.sums for sign in signs]
        stuck = len(signs) > len(self._signs) and all(sign.waits for sign in signs) and sums == self._sums
        self._sums, self._still = sums, self._still + 1 if stuck else 0
        if self._still > self._looks:
            seconds = self._looks * _BEAT
            return WorkerLost(
                f"all workers have been in one sum for {seconds:g} seconds: a connection between them is broken"
            )
        return None


@contextmanager
def signs_of_life(crew: Crew, store: Store, patience: float, give_up: Callable[[WorkerLost], None]) -> Iterator[None]:
    """Tell the others that this worker is there, and call `give_up` in a thread of its own when one of them is not.

    The leader listens to everyone, the others to the leader. Its work is theirs: who waits for it while it works does
    not hang. `store` is used by this alone: only one thread at a time may wait in one.
    """
    over = threading.Event()
    looks = max(1, round(min(LONGEST_SILENCE, patience / 2) / _BEAT))
    ear = Ear(range(1, crew.size) if crew.leads else (0,), looks)
    loops = (lambda: _tell(crew, store, ear, over), lambda: _watch(crew, ear, over, give_up))
    names = ("signs of life", "watch for signs")
    threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in zip(names, loops, strict=True)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:  # one that comes back from PyTorch while the interpreter ends aborts the process
            thread.join(_PARTING)


def _tell(crew: Crew, store: Store, ear: Ear, over: threading.Event) -> None:
    """Tell and hear; may wait for ever where the link is cut, which is why another thread judges."""
    number = 0
    others = [rank for rank in range(crew.size) if crew.leads != (rank == 0)]
    with suppress(RuntimeError):  # the store is gone, and the leader with it
        while not over.wait(_BEAT):
            number += 1
            store.set(key("life", crew.rank), Sign(number, HEART.beats, crew.sums).dump())
            for rank in others:
                where = key("life", rank)
                if store.check([where]) and ear.hear(rank, Sign.parse(store.get(where))) and not crew.leads:
                    HEART.beat()


def _watch(crew: Crew, ear: Ear, over: threading.Event, give_up: Callable[[WorkerLost], None]) -> None:
    while not over.wait(_BEAT):
        lost = ear.look(Sign(0, HEART.beats, crew.sums))
        if lost is not None and crew.needs_others:
            give_up(lost)
            return
