"""Following the wish: what is wished and sound serves; what is not changes nothing for what serves."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemodel.bundle import MODEL
from edgemodel.wish import Artifact, Assignment
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.errors import Refused
from edgemodel_inference.node import MOST_REFUSED
from edgemodel_inference.wish.pending import FIRST_PAUSE, LONGEST_PAUSE, pause_after
from edgemodel_inference.wish.second_chance import FORGIVE_AFTER, SecondChances
from tests.unit.inference_pod.edge_node import Edge
from tests.unit.inference_pod.hostile_bundles import HOSTILE
from tests.unit.inference_pod.tiny_bundles import bundle, golden, weights, wish

AWAY = Artifact(name="away", uri="oci://127.0.0.1:1/tiny", digest="sha256:" + "7" * 64)
"""Nobody listens there."""


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder = tmp_path_factory.mktemp("versions")
    return {name: bundle(folder, name, scale) for name, scale in (("v1", 4.0), ("v2", 5.0), ("v3", 6.0))}


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory, versions: dict[str, Artifact]) -> Path:
    """A disk on which all versions lie that have passed the jail: that takes the better part of a second each."""
    folder = tmp_path_factory.mktemp("proved")
    edge = Edge(folder)
    for revision, artifact in enumerate(versions.values(), 1):
        edge.follow(wish(artifact, revision=revision))
        assert edge.serves == artifact.name
    return folder / "state" / "models"


@pytest.fixture
def edge(tmp_path: Path, proved: Path) -> Edge:
    shutil.copytree(proved, tmp_path / "edge" / "state" / "models")
    return Edge(tmp_path / "edge")


@pytest.fixture
def serving(edge: Edge, versions: dict[str, Artifact]) -> Edge:
    """A node that serves v1."""
    edge.follow(wish(versions["v1"]))
    assert edge.serves == "v1"
    return edge


def test_the_wished_version_serves_with_its_backup_beside_it(edge: Edge, versions: dict[str, Artifact]) -> None:
    edge.follow(wish(versions["v2"], versions["v1"], revision=7))
    assert (edge.serves, edge.falls_back_to, edge.agent.revision, edge.agent.reason) == ("v2", "v1", 7, "Wish")


def test_a_new_version_leaves_the_old_one_as_the_backup(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v2"], revision=2))
    assert (serving.serves, serving.falls_back_to) == ("v2", "v1")


def test_a_node_with_an_exception_follows_it(serving: Edge, versions: dict[str, Artifact]) -> None:
    mine = {"edge-1": Assignment(active=versions["v2"])}
    serving.follow(wish(versions["v1"], revision=2, exceptions=mine))
    assert (serving.serves, serving.falls_back_to) == ("v2", "v1")


def test_a_missing_wish_is_no_news(serving: Edge) -> None:
    serving.wish_file.unlink()
    serving.agent.step(time.monotonic())
    assert serving.serves == "v1"


def test_a_broken_wish_is_told_and_changes_nothing(serving: Edge) -> None:
    serving.wish_file.write_text('{"revision": 0}')
    serving.agent.step(time.monotonic())
    assert serving.serves == "v1"
    assert "wish.revision" in (serving.agent.problem or "")


def test_a_node_whose_mount_is_dead_starts_with_the_last_wish(serving: Edge) -> None:
    serving.wish_file.unlink()
    serving.restart()
    assert (serving.serves, serving.agent.reason) == ("v1", "Wish")


def _flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / MODEL).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / MODEL).write_bytes(data)


SPOILED: dict[str, tuple[Callable[[Path], Artifact], str]] = {
    "bytes that are not the digest's": (lambda f: _then(_flip_a_bit, f, bundle(f, "bad", scale=7.0)), "DigestMismatch"),
    "a file that is no ONNX": (lambda f: bundle(f, "bad", model=b"not a graph"), "NotOnnx"),
    "other answers than the golden ones": (lambda f: bundle(f, "bad", golden=golden(weights(9.0))), "GoldenMismatch"),
    "an artifact that is not there": (
        lambda f: Artifact(name="bad", uri=f"file://{f}/nothing", digest="sha256:" + "0" * 64),
        "ArtifactMissing",
    ),
}


def _then(spoil: Callable[[Path], None], folder: Path, artifact: Artifact) -> Artifact:
    spoil(folder / artifact.name)
    return artifact


@pytest.mark.parametrize("what", SPOILED)
def test_a_bad_artifact_is_refused_by_name_and_what_serves_goes_on(
    serving: Edge, versions: dict[str, Artifact], origin: Path, what: str
) -> None:
    make, code = SPOILED[what]
    before = serving.node.engine.active
    serving.follow(wish(make(origin), versions["v1"], revision=2))
    assert serving.refused == {"bad": code}
    assert (serving.node.engine.active, serving.agent.reason) == (before, "Fallback")
    assert f'reason="{code}"' in serving.node.metrics.render()


def test_an_artifact_that_arrives_late_is_taken_after_a_while(serving: Edge, origin: Path) -> None:
    late = bundle(origin, "late", scale=7.0)
    (origin / "late").rename(origin / "hidden")
    serving.follow(wish(late, revision=2))
    assert serving.refused == {"late": "ArtifactMissing"}
    told = serving.node.metrics.render()
    assert "edgemodel_refused_info{" not in told, "the operator would bar the digest for good"
    assert re.search(r'edgemodel_fetch_pending{.*reason="ArtifactMissing",version="late"} 1', told)
    (origin / "hidden").rename(origin / "late")
    serving.agent.step(time.monotonic() + FORGIVE_AFTER + 1)
    assert (serving.serves, serving.refused) == ("late", {})


def test_what_this_machine_is_too_slow_for_is_no_lasting_refusal_and_is_not_fetched_again(
    tmp_path: Path, origin: Path
) -> None:
    edge = Edge(tmp_path, EDGEMODEL_TRIAL_SECONDS="1")
    heavy = HOSTILE["a loop that never ends"][0](origin)
    edge.follow(wish(heavy), steps=1)
    assert edge.pending is not None
    assert edge.pending[1] in {"TooSlow", "JailTimeout"}
    assert "edgemodel_refused_info{" not in edge.node.metrics.render(), "it would be barred on faster machines too"
    assert list((tmp_path / "state" / "models").rglob(MODEL))


def test_a_machine_that_is_too_slow_tries_ever_more_seldom(tmp_path: Path) -> None:
    refusals = Refusals(tmp_path / "refused.json")
    chances, now, pauses = SecondChances(refusals), 0.0, []
    for _ in range(6):
        chances.refuse(AWAY, Refused("TooSlow", "more than 5 s of computing"), now)
        began = now
        while AWAY.digest in refusals:
            now += 10
            chances.give(now)
        pauses.append(now - began)
    assert pauses == [60, 120, 240, 480, 960, 960]


def test_an_unreachable_registry_is_no_refusal_but_a_wait(serving: Edge) -> None:
    serving.follow(wish(AWAY, revision=2), steps=1)
    pending = serving.agent.pending
    assert pending is not None
    assert (pending.reason, pending.retry_at > time.monotonic()) == ("ConnectionRefused", True)
    assert (serving.serves, serving.agent.reason, serving.refused, serving.agent.revision) == ("v1", "Pending", {}, 1)
    assert "edgemodel_fetch_pending{" in serving.node.metrics.render()


def test_pauses_between_tries_grow_up_to_a_bound_and_differ_from_node_to_node() -> None:
    for attempts, longest in ((0, FIRST_PAUSE), (1, 2 * FIRST_PAUSE), (3, 8 * FIRST_PAUSE), (99, LONGEST_PAUSE)):
        pauses = [pause_after(attempts) for _ in range(1000)]
        assert longest / 2 <= min(pauses) < 0.6 * longest
        assert 0.9 * longest < max(pauses) <= longest


def test_a_new_wish_is_followed_at_once_while_an_old_one_waits(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(AWAY, revision=2), steps=1)
    serving.follow(wish(versions["v3"], revision=3), steps=1)
    assert (serving.serves, serving.agent.pending) == ("v3", None)


def test_a_quarantined_version_is_left_for_the_backup(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v1"], versions["v2"], revision=2, refused=(versions["v1"].digest,)))
    assert (serving.serves, serving.falls_back_to) == ("v2", None)


def test_a_wish_that_leaves_nothing_to_serve_stops_serving(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v1"], revision=2, refused=(versions["v1"].digest,)))
    assert serving.serves is None


def test_a_refused_version_serves_again_when_the_wish_clears_it(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v2"], versions["v1"], revision=2))
    serving.node._serving.fall_back("unsure", "")
    assert (serving.serves, serving.refused) == ("v1", {"v2": "unsure"})
    serving.follow(wish(versions["v2"], versions["v1"], revision=3))
    assert serving.serves == "v1"
    serving.follow(wish(versions["v2"], versions["v1"], revision=4, cleared=(versions["v2"].digest,)))
    assert (serving.serves, serving.refused) == ("v2", {})


def test_a_refusal_survives_a_restart(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v2"], versions["v1"], revision=2))
    serving.node._serving.fall_back("unsure", "")
    serving.restart()
    assert (serving.serves, serving.refused) == ("v1", {"v2": "unsure"})


def test_of_many_refused_digests_metrics_tell_of_those_that_the_wish_names_and_of_the_latest(
    serving: Edge, versions: dict[str, Artifact]
) -> None:
    serving.follow(wish(versions["v2"], versions["v1"], revision=2))
    serving.node._serving.fall_back("unsure", "")
    for number in range(2 * MOST_REFUSED):
        serving.node._refusals.add(f"sha256:{number:064}", f"old-{number}", "NotOnnx")
    told = re.findall(r'edgemodel_refused_info{.*version="([^"]+)"', serving.node.metrics.render())
    assert (len(told), {"v2", f"old-{2 * MOST_REFUSED - 1}"} <= set(told)) == (MOST_REFUSED, True)
    assert len(serving.refused) == 2 * MOST_REFUSED + 1


def test_another_version_is_followed_after_a_fallback(serving: Edge, versions: dict[str, Artifact]) -> None:
    serving.follow(wish(versions["v2"], versions["v1"], revision=2))
    serving.node._serving.fall_back("unsure", "")
    serving.follow(wish(versions["v3"], versions["v1"], revision=3))
    assert (serving.serves, serving.falls_back_to) == ("v3", "v1")


def test_a_damaged_file_on_the_nodes_own_disk_is_fetched_again(serving: Edge, versions: dict[str, Artifact]) -> None:
    _flip_a_bit(serving.node._store.folder(versions["v1"].digest))
    serving.restart()
    assert serving.serves is None
    serving.agent.step(time.monotonic())
    assert serving.serves == "v1"


def test_the_disk_keeps_what_is_in_use_and_drops_the_longest_unused(
    tmp_path: Path, proved: Path, versions: dict[str, Artifact]
) -> None:
    shutil.copytree(proved, tmp_path / "edge" / "state" / "models")
    (size, *_) = (sum(file.stat().st_size for file in each.iterdir()) for each in proved.iterdir() if each.is_dir())
    edge = Edge(tmp_path / "edge", EDGEMODEL_CACHE_SIZE=str(int(2.5 * size)))
    edge.follow(wish(versions["v1"]))
    edge.follow(wish(versions["v2"], versions["v1"], revision=2))
    edge.follow(wish(versions["v3"], versions["v2"], revision=3))
    kept = {name for name, artifact in versions.items() if edge.node._store.folder(artifact.digest).exists()}
    assert kept == {"v2", "v3"}


@pytest.mark.parametrize("clock", [0.0, time.time() + 365 * 24 * 3600.0], ids=["1970", "ahead"])
def test_of_those_that_nobody_serves_the_longest_unused_go_first_whatever_the_clock_said_then(
    edge: Edge, versions: dict[str, Artifact], clock: float
) -> None:
    store = edge.node._store
    for moment, name in enumerate(("v2", "v3", "v1"), round(clock)):
        os.utime(store.folder(versions[name].digest), (moment, moment))
    store._limit = sum(file.stat().st_size for file in store.folder(versions["v1"].digest).iterdir()) * 3 // 2
    store.touch(versions["v2"].digest)
    store.evict(set())
    assert [name for name, artifact in versions.items() if store.folder(artifact.digest).exists()] == ["v2"]
