"""The power of a real file system is cut at every point of a write.

What was whole stays whole, what is new is whole or not there, and the next start goes on.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from edgemodel.wish import Artifact
from edgemodel_inference.disk.records import append, save
from edgemodel_inference.disk.store import Store
from edgemodel_registry import Client
from tests.unit.inference_pod.edge_node import Edge
from tests.unit.inference_pod.real_disk import Disk, disk, mounted
from tests.unit.inference_pod.tiny_bundles import bundle, wish

SIZE = 6 << 20
WRITES = frozenset({"write", "fsync", "rename", "mkdir", "unlink", "truncate", "close", "__exit__", "flush", "open"})

ENOUGH = 12
"""Fewer points than these would mean that the writes are not seen any more."""


@pytest.fixture
def real_disk(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path, size=SIZE) as made:
        yield made


@pytest.fixture(params=["journal-as-it-comes", "journal-before-the-data"])
def commit(request: pytest.FixtureRequest, real_disk: Disk) -> Callable[[], None]:
    """Whether the journal happens to be written just before each cut."""
    return real_disk.commit_names if request.param == "journal-before-the-data" else lambda: None


def store_on(folder: Path) -> Store:
    return Store(folder / "models", 1 << 20, Client)


def fetch(store: Store, artifact: Artifact) -> None:
    store.fetch(artifact, lambda _done, _total: None)


def cuts(real_disk: Disk, folder: Path, commit: Callable[[], None], work: Callable[[], object]) -> list[Path]:
    """Do `work`; a copy of the disk from before each call that writes, and one from the end."""
    copies: list[Path] = []
    busy = False

    def watch(_frame: FrameType, event: str, function: object) -> None:
        nonlocal busy
        if busy or event != "c_call" or getattr(function, "__name__", "") not in WRITES:
            return
        busy = True
        commit()
        copies.append(real_disk.copy(folder / f"cut-{len(copies)}.img"))
        busy = False

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    copies.append(real_disk.copy(folder / "end.img"))
    return copies


def test_a_fetched_bundle_is_whole_or_fetched_again_wherever_the_power_is_cut(
    real_disk: Disk, tmp_path: Path, commit: Callable[[], None]
) -> None:
    old, new = (bundle(tmp_path / "origin", name, scale) for name, scale in (("v1", 4.0), ("v2", 2.0)))
    fetch(store_on(real_disk.folder), old)
    copies = cuts(real_disk, tmp_path, commit, lambda: fetch(store_on(real_disk.folder), new))
    assert len(copies) > ENOUGH
    for copy in copies:
        with mounted(copy, tmp_path / "after") as after:
            store = store_on(after)
            assert store.has(old.digest), copy
            whole = store.has(new.digest)
            assert whole or copy.name != "end.img"
            fetch(store, new)
            assert store.has(new.digest), copy


def test_a_record_is_the_old_or_the_new_one_wherever_the_power_is_cut(
    real_disk: Disk, tmp_path: Path, commit: Callable[[], None]
) -> None:
    path = real_disk.folder / "serving.json"
    old, new = b'{"active": "v1"}' * 400, b'{"active": "v2"}' * 700
    assert save(path, old)
    copies = cuts(real_disk, tmp_path, commit, lambda: save(path, new))
    found = []
    for copy in copies:
        with mounted(copy, tmp_path / "after") as after:
            found.append((after / path.name).read_bytes())
    assert set(found) == {old, new}
    assert found[-1] == new


def test_a_journal_keeps_every_line_that_was_written_wherever_the_power_is_cut(
    real_disk: Disk, tmp_path: Path, commit: Callable[[], None]
) -> None:
    path = real_disk.folder / "journal.jsonl"
    first, second = b'{"what": "SwitchModel"}\n', b'{"what": "Restart"}\n'
    assert append(path, first)
    copies = cuts(real_disk, tmp_path, commit, lambda: append(path, second))
    for copy in copies:
        with mounted(copy, tmp_path / "after") as after:
            assert (after / path.name).read_bytes().startswith(first), copy
            assert append(after / path.name, second)
    with mounted(copies[-1], tmp_path / "after") as after:
        assert (after / path.name).read_bytes().startswith(first + second)


def test_a_node_starts_with_the_old_or_the_new_version_wherever_the_power_is_cut_while_it_swaps(
    real_disk: Disk, tmp_path: Path, commit: Callable[[], None]
) -> None:
    old, new = (bundle(tmp_path / "origin", name, scale) for name, scale in (("v1", 4.0), ("v2", 2.0)))
    edge = Edge(real_disk.folder)
    edge.follow(wish(old))
    copies = cuts(real_disk, tmp_path, commit, lambda: edge.follow(wish(new, old, revision=2)))
    assert edge.serves == "v2"
    started = []
    for copy in copies:
        with mounted(copy, tmp_path / "after") as after:
            again = Edge(after)
            started.append(again.serves)
            again.node.close()
    assert set(started) == {"v1", "v2"}
    assert (started[0], started[-1]) == ("v1", "v2")
