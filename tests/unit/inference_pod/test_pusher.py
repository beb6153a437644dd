"""When hard samples go to the sink: soon enough to learn from, and seldom enough for a thin link and a flash card."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from edgemodel.wish import Sampling, Wish
from edgemodel_inference.observing.push_rule import AT_ONCE, DAILY, MIB, Holding, Push, choose
from edgemodel_inference.observing.pusher import Pusher
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_registry import Client, RegistryError
from tests.unit.registry.small_registry import SmallRegistry

LOOK = 10.0
HOUR, DAY = 3600.0, 86_400.0
DIGEST = "sha256:1"
SET = Holding(origin=(DIGEST, "oci://sink"), number=1, count=500, full=True, confidence=0.5, size=1_500_000)


@dataclass
class Node:
    """Its samples, and what went up of them: at what time, and how many there were."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))
    keep: int = 100
    now: float = 1000.0
    last: Push | None = None
    pushes: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.samples = HardSamples()
        self.samples.switched(DIGEST)
        self.samples.keep(self.keep)

    def live(self, seconds: float, per_look: int = 10, sureness: float = 8.0) -> None:
        """Answer requests with confidences of a Beta distribution, and look every ten seconds."""
        until = self.now + seconds
        while self.now < until:
            self.now += LOOK
            inputs = self.rng.random((per_look, 4), dtype=np.float32)
            sure = self.rng.beta(sureness, 1.0, per_look).astype(np.float32)
            self.samples.offer(inputs, sure, DIGEST, self.now)
            self._look()

    def _look(self) -> None:
        there = self.samples.snapshot(self.now)
        mean = float(np.mean([kept.confidence for kept in there.kept]))
        holding = replace(SET, number=there.number, count=len(there.kept), full=there.full, confidence=mean)
        if (push := choose(self.last, holding, self.now)) is not None:
            self.last = push
            self.pushes.append((self.now, holding.count))


def test_an_ordinary_day_is_one_push_an_hour_after_the_first() -> None:
    """It was one push every ten seconds, 12 GB a day, for as long as anybody asked."""
    node = Node()
    node.live(HOUR)
    assert len(node.pushes) < 40
    first_hour = len(node.pushes)
    node.live(DAY - HOUR, per_look=5)
    assert 20 < len(node.pushes) - first_hour < 60
    assert len(node.pushes) * SET.size < 150 * MIB


def test_a_set_goes_up_at_once_each_time_it_has_grown_by_half_and_when_it_is_full() -> None:
    node = Node()
    node.live(100.0)
    assert [count for _, count in node.pushes][:5] == [10, 20, 30, 50, 80]


def test_samples_of_a_drift_are_in_the_sink_within_seconds() -> None:
    node = Node()
    node.live(6 * HOUR)
    began, before = node.now, len(node.pushes)
    node.live(120.0, per_look=50, sureness=1.5)
    early = [at - began for at, _ in node.pushes[before:]]
    assert early[:3] == [10.0, 20.0, 30.0]
    assert early[-1] >= 60


@pytest.mark.parametrize("size", [1_500_000, 32 * MIB])
def test_whatever_the_traffic_does_a_day_takes_no_more_than_its_share(size: int) -> None:
    last, sent, wild = None, 0, np.random.default_rng(5)
    for number in range(2 * 8640):
        origin = (f"sha256:{wild.integers(3)}", "oci://sink")
        holding = replace(SET, origin=origin, number=number, confidence=float(wild.random()), size=size)
        if (push := choose(last, holding, number * LOOK)) is not None:
            last, sent = push, sent + size
    assert sent <= AT_ONCE + 2 * DAILY


def test_ordinary_pushes_of_large_sets_leave_room_for_one_that_is_hard() -> None:
    last = choose(None, replace(SET, size=32 * MIB), 0.0)
    for number in range(2, 200):
        at = number * HOUR / 2
        last = choose(last, replace(SET, number=number, size=32 * MIB), at) or last
    harder = replace(SET, number=500, confidence=0.4, size=32 * MIB)
    assert choose(last, harder, 100 * HOUR + 5) is not None


def test_what_has_not_changed_is_not_pushed_again() -> None:
    last = choose(None, SET, 0.0)
    assert choose(last, SET, 10 * DAY) is None


@pytest.mark.parametrize("origin", [("sha256:2", "oci://sink"), (DIGEST, "oci://other")])
def test_another_versions_set_and_another_sink_begin_anew(origin: tuple[str, str]) -> None:
    last = choose(None, SET, 0.0)
    assert choose(last, replace(SET, origin=origin, confidence=0.9, count=1, full=False), 5.0) is not None


@pytest.fixture
def sink() -> Iterator[SmallRegistry]:
    with SmallRegistry() as registry:
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        yield registry
        registry.shutdown()


@dataclass
class Desk:
    """A pusher with a clock of ours."""

    folder: Path
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.samples = HardSamples()
        self.samples.switched(DIGEST)
        self.samples.keep(3)
        self.pusher = Pusher("edge-1", self.samples, self.folder, lambda: Client(timeout=1), lambda: self.now)

    def offer(self, confidence: float) -> None:
        row = np.full((1, 1, 2, 2), confidence, np.float32)
        self.samples.offer(row, np.array([confidence], np.float32), DIGEST, self.now)

    def step(self, uri: str) -> bool:
        sampling = Sampling(keep_hardest=3, sink=uri)
        return self.pusher.step(Wish(revision=1, namespace="plant-a", model="tiny", sampling=sampling))


def test_what_is_due_is_pushed_once(tmp_path: Path, sink: SmallRegistry) -> None:
    desk = Desk(tmp_path / "samples")
    desk.offer(0.5)
    assert [desk.step(sink.uri()) for _ in range(3)] == [True, False, False]
    assert (desk.pusher.pushed, len(sink.written)) == (1, 2)


def test_a_sink_that_is_away_is_asked_more_and_more_seldom_and_the_disk_is_written_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "samples")
    desk.offer(0.5)
    tries: list[float] = []
    written: set[int] = set()
    for _ in range(100):
        desk.now += 5
        try:
            desk.step("oci://127.0.0.1:1/tiny-samples")
        except RegistryError:
            tries.append(desk.now)
            written.add((desk.folder / "manifest.json").stat().st_mtime_ns)
    assert [after - before for before, after in itertools.pairwise(tries)] == [5, 10, 20, 40, *[60] * 7]
    assert (len(written), desk.pusher.pushed, len(desk.samples)) == (1, None, 1)


def test_a_sink_that_is_back_gets_what_was_kept(tmp_path: Path, sink: SmallRegistry) -> None:
    desk = Desk(tmp_path / "samples")
    desk.offer(0.5)
    sink.takes = 0
    with pytest.raises(RegistryError):
        desk.step(sink.uri())
    sink.takes = None
    desk.now += 5
    assert desk.step(sink.uri())
    assert desk.pusher.pushed == 1
