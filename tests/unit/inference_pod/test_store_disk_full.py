"""A real disk that fills up: nothing that serves is lost, the reason is named, and it goes on when there is room."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgemodel.wish import Artifact
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import Unreachable
from edgemodel_registry import Client
from tests.unit.inference_pod.live_pod import Pod, load, wait_until
from tests.unit.inference_pod.real_disk import Disk, disk
from tests.unit.inference_pod.tiny_bundles import bundle, wish

SIZE = 4 << 20
LARGE = np.random.default_rng(4).bytes(200_000)
"""The store does not look into a model."""
LIMIT = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path, size=SIZE) as made:
        yield made


@pytest.fixture
def store(small: Disk) -> Store:
    return Store(small.folder / "models", LIMIT, Client)


def fetch(store: Store, artifact: Artifact) -> None:
    store.fetch(artifact, lambda _done, _total: None)


def fill(small: Disk, *, leave: int) -> Path:
    """Other programs have written all but `leave` bytes; the file system takes some for itself."""
    path = small.folder / "others"
    with contextlib.suppress(OSError), path.open("wb") as file:
        file.write(bytes(max(shutil.disk_usage(small.folder).free - leave, 0)))
    return path


@pytest.mark.parametrize("leave", [0, 1_000, 50_000, 100_000, 150_000, 199_000])
def test_a_disk_without_room_is_said_before_anything_is_fetched(
    small: Disk, store: Store, tmp_path: Path, leave: int
) -> None:
    old, new = bundle(tmp_path / "origin", "v1", model=LARGE), bundle(tmp_path / "origin", "v2", model=LARGE[::-1])
    fetch(store, old)
    others = fill(small, leave=leave)
    fetched: list[int] = []
    with pytest.raises(Unreachable) as told:
        store.fetch(new, lambda done, _total: fetched.append(done))
    assert (told.value.code, fetched) == ("DiskFull", [])
    assert store.has(old.digest)
    others.unlink()
    fetch(store, new)
    assert store.has(old.digest)
    assert store.has(new.digest)


@pytest.mark.parametrize("quarter", range(4))
def test_a_disk_that_fills_up_during_a_download_leaves_the_old_version_whole(
    small: Disk, store: Store, tmp_path: Path, quarter: int
) -> None:
    old, new = bundle(tmp_path / "origin", "v1", model=LARGE), bundle(tmp_path / "origin", "v2", model=LARGE[::-1])
    fetch(store, old)

    def others_write(done: int, total: int) -> None:
        if done >= total * quarter // 4 and not (small.folder / "others").exists():
            fill(small, leave=0)

    with pytest.raises(Unreachable) as told:
        store.fetch(new, others_write)
    assert told.value.code == "DiskFull"
    assert (store.has(old.digest), store.has(new.digest)) == (True, False)
    (small.folder / "others").unlink()
    fetch(store, new)
    assert store.has(new.digest)


def test_room_is_made_of_what_nobody_serves(small: Disk, store: Store, tmp_path: Path) -> None:
    used, unused = bundle(tmp_path / "origin", "v1", model=LARGE), bundle(tmp_path / "origin", "v2", model=LARGE[::-1])
    fetch(store, used)
    fetch(store, unused)
    before = shutil.disk_usage(small.folder).free
    store.make_room({used.digest})
    assert (store.has(used.digest), store.has(unused.digest)) == (True, False)
    assert shutil.disk_usage(small.folder).free >= before + len(LARGE)


def test_a_pod_whose_disk_is_full_survives_a_kill_serves_on_and_goes_on_when_there_is_room(
    small: Disk, pod: Pod, origin: Path
) -> None:
    old, new = bundle(origin, "v1"), bundle(origin, "v2", scale=5.0)
    pod.wish(wish(old))
    pod.start(EDGEMODEL_STATE=str(small.folder / "state"))
    pod.await_revision(1)
    others = fill(small, leave=0)
    first = pod.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    with load(pod.port, callers=1) as seen:
        pod.wish(wish(new, old, revision=2))
        wait_until(lambda: (pod.worker()["pending"] or {}).get("reason") == "DiskFull", "the reason")
        others.unlink()
        wait_until(lambda: seen.answers["200 v2"], "the new version")
    assert seen.answers["200 v1"]
    assert seen.failed == {}
