"""A worker that grows towards its limit is replaced before the OOM killer comes; one that does not is left alone."""

import itertools
import random
from pathlib import Path

import pytest

from edgemodel_inference.healing.memory_guard import MIB, MemoryGuard, memory_limit, time_to

INTERVAL = 10.0


def leaking(start: float, per_interval: float, count: int, noise: float = 0.0) -> list[float]:
    rng = random.Random(5)  # noqa: S311 (noise, no secret)
    return [start + per_interval * i + rng.uniform(-noise, noise) for i in range(count)]


@pytest.fixture
def asked() -> list[str]:
    return []


def guard_of(limit_mib: int, asked: list[str]) -> MemoryGuard:
    """A guard whose supervisor uses 22 MiB, as one does."""
    return MemoryGuard(limit_mib * MIB, asked.append, beside=lambda: 22.0)


def feed(guard: MemoryGuard, samples: list[float], asked: list[str]) -> float | None:
    """The memory at which the guard asked to be replaced."""
    for sample in samples:
        guard.note(sample, INTERVAL)
        if asked:
            return sample
    return None


def test_a_leak_is_noticed_at_least_a_minute_before_the_limit(asked: list[str]) -> None:
    guard = guard_of(512, asked)
    at = feed(guard, leaking(80, 4, 200, noise=2), asked)
    assert asked == ["MemoryLimit"]
    assert at is not None
    assert at + 6 * 4 < 512 - 80
    assert at > 300, "not long before it is needed"


def test_a_worker_whose_successor_does_not_come_asks_again_and_ever_more_seldom(asked: list[str]) -> None:
    guard = guard_of(512, asked)
    times = []
    for number, sample in enumerate(leaking(80, 4, 300)):
        guard.note(sample, INTERVAL)
        times += [number * INTERVAL] * (len(asked) - len(times))
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[:5] == [60, 120, 240, 480, 600]


@pytest.mark.parametrize("noise", [0.0, 1.0, 30.0])
def test_steady_memory_is_left_alone_however_close_to_the_limit(noise: float, asked: list[str]) -> None:
    guard = guard_of(200, asked)
    assert feed(guard, leaking(80, 0, 1000, noise), asked) is None


def test_a_slow_rise_far_from_the_limit_is_left_alone(asked: list[str]) -> None:
    guard = guard_of(4096, asked)
    assert feed(guard, leaking(80, 1, 300), asked) is None


def test_a_limit_without_room_for_two_workers_asks_for_nothing(asked: list[str]) -> None:
    guard = guard_of(120, asked)
    assert feed(guard, leaking(80, 1, 100), asked) is None


def test_a_slow_leak_among_noise_is_noticed_before_the_limit(asked: list[str]) -> None:
    at = feed(guard_of(512, asked), leaking(80, 0.5, 1000, noise=20), asked)
    assert at is not None
    assert at < 512 - 80 + 20


def test_too_few_samples_say_nothing(asked: list[str]) -> None:
    assert feed(guard_of(512, asked), leaking(80, 10, 29), asked) is None


def test_the_time_to_the_ceiling_is_that_of_the_line() -> None:
    assert time_to(200, leaking(80, 2, 31), INTERVAL) == pytest.approx((200 - 140) / 2 * INTERVAL)


@pytest.mark.parametrize(
    ("group", "file", "membership"),
    [
        ("", "memory.max", "0::/"),
        ("system.slice/edge.service", "memory.max", "0::/system.slice/edge.service"),
        ("memory", "memory.limit_in_bytes", "4:memory:/kubepods/pod1"),
        ("memory/edge", "memory.limit_in_bytes", "5:cpu,cpuacct:/\n4:memory:/edge"),
    ],
)
def test_the_limit_is_the_control_groups(tmp_path: Path, group: str, file: str, membership: str) -> None:
    (tmp_path / "root" / group).mkdir(parents=True)
    (tmp_path / "root" / group / file).write_text("268435456\n")
    (tmp_path / "membership").write_text(membership + "\n")
    assert memory_limit(tmp_path / "root", tmp_path / "membership") == 256 * MIB


def test_without_a_limit_it_is_the_machines_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limit(tmp_path, tmp_path / "none") > 256 * MIB
