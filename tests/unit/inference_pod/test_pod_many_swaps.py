"""Swap after swap under load: no request fails, no old version answers afterwards, memory stays flat."""

import time
from pathlib import Path

import psutil
import pytest

from edgemodel.wish import Artifact
from tests.unit.inference_pod.live_pod import Load, Pod, load, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish

MIB = 1 << 20
GROWTH_MIB = 16
"""What allocators and caches may take while the first swaps warm them up, and never again."""

MOST_SERIES = 40
"""However many versions have served."""


def swap(pod: Pod, seen: Load, new: Artifact, old: Artifact, revision: int) -> None:
    """Wish `new`, and see that `old` answers no request that begins after the pod has said that it is done."""
    pod.wish(wish(new, old, revision=revision))
    pod.await_revision(revision)
    done = time.monotonic()
    wait_until(lambda: seen.last_asked.get(new.name, 0.0) > done, f"answers of {new.name}")
    assert seen.last_asked.get(old.name, 0.0) <= done


def swap_often(pod: Pod, origin: Path, times: int) -> list[float]:
    """Three versions in turn, so that each swap opens a model; the worker's memory in MiB after each."""
    versions = [bundle(origin, f"v{number}", scale=3.0 + number) for number in range(3)]
    pod.wish(wish(versions[0]))
    pod.start()
    pod.await_revision(1)
    worker = psutil.Process(pod.worker_pid())
    memory = []
    with load(pod.port) as seen:
        wait_until(lambda: seen.good > 50, "answers")
        for turn in range(1, times + 1):
            swap(pod, seen, versions[turn % 3], versions[(turn - 1) % 3], turn + 1)
            memory.append(worker.memory_info().rss / MIB)
    assert (seen.failed, seen.mixed) == ({}, [])
    assert pod.worker_pid() == worker.pid
    assert len(pod.series("edgemodel_")) <= MOST_SERIES
    return memory


def test_ten_swaps_under_load_fail_no_request_and_no_old_version_answers_afterwards(pod: Pod, origin: Path) -> None:
    swap_often(pod, origin, 10)


@pytest.mark.long
def test_two_hundred_swaps_under_load_leave_memory_flat(pod: Pod, origin: Path) -> None:
    memory = swap_often(pod, origin, 200)
    assert max(memory[-20:]) < max(memory[:20]) + GROWTH_MIB
