"""What lies on the disk is read again every hour, and mended from where it came."""

from pathlib import Path

import pytest

from edgemodel.bundle import MODEL
from edgemodel.wish import Artifact
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.disk.store import Store
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import open_model
from edgemodel_inference.wish.scrubber import EVERY, Scrubber
from edgemodel_inference.wish.serving import Serving
from edgemodel_registry import Client
from tests.unit.inference_pod.tiny_bundles import bundle

START = 100.0


@pytest.fixture
def artifact(origin: Path) -> Artifact:
    return bundle(origin, "v1")


@pytest.fixture
def store(tmp_path: Path, artifact: Artifact) -> Store:
    store = Store(tmp_path / "models", 1 << 20, Client)
    store.fetch(artifact, lambda _done, _total: None)
    return store


@pytest.fixture
def scrubber(tmp_path: Path, store: Store, artifact: Artifact) -> Scrubber:
    serving = Serving(Engine(), Refusals(tmp_path / "refused.json"), tmp_path / "serving.json")
    serving.activate(open_model(store.folder(artifact.digest), artifact, threads=1), lambda: True)
    made = Scrubber(store, serving, lambda _done, _total: None)
    made.step(START)
    return made


def flip_a_bit(store: Store, artifact: Artifact) -> None:
    path = store.folder(artifact.digest) / MODEL
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_mended_within_the_hour(scrubber: Scrubber, store: Store, artifact: Artifact) -> None:
    flip_a_bit(store, artifact)
    scrubber.step(START + EVERY)
    assert store.has(artifact.digest)


def test_nothing_is_read_before_its_time(scrubber: Scrubber, store: Store, artifact: Artifact) -> None:
    flip_a_bit(store, artifact)
    scrubber.step(START + EVERY - 1)
    assert not store.has(artifact.digest)


def test_what_its_origin_does_not_have_now_is_asked_for_an_hour_later(
    scrubber: Scrubber, store: Store, artifact: Artifact, origin: Path
) -> None:
    flip_a_bit(store, artifact)
    away = origin.rename(origin.with_name("away"))
    scrubber.step(START + EVERY)
    away.rename(origin)
    scrubber.step(START + 2 * EVERY)
    assert store.has(artifact.digest)


def test_clearing_the_cache_leaves_what_serves_and_drops_the_rest(
    scrubber: Scrubber, store: Store, artifact: Artifact, origin: Path
) -> None:
    unused = bundle(origin, "v2", scale=2.0)
    store.fetch(unused, lambda _done, _total: None)
    scrubber.ask()
    scrubber.step(START + 1)
    assert (store.has(artifact.digest), store.has(unused.digest)) == (True, False)
