"""A wish's mount that is gone, as a restart of KubeEdge's node agent leaves it."""

from pathlib import Path

from edgemodel_inference.wish.mount import GONE_LIMIT, MountWatch
from tests.unit.inference_pod.live_pod import Pod
from tests.unit.inference_pod.tiny_bundles import bundle, wish


def test_a_container_whose_mount_is_gone_drains_and_ends_with_its_own_exit_code(pod: Pod, origin: Path) -> None:
    pod.before = "from edgemodel_inference.wish import mount; mount.GONE_LIMIT = 1.0; "
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_revision(1)
    (pod.folder / "wish.json").unlink()
    assert pod.process is not None
    assert pod.process.wait(20) == 75
    assert [entry for entry in pod.logs if "mount is gone" in entry["event"]]


def test_seconds_count_from_the_last_sight_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wish.json"
    path.touch()
    watch = MountWatch(path)
    seen = watch.gone_for(100.0)
    path.unlink()
    assert (seen, watch.gone_for(100.0 + GONE_LIMIT)) == (0.0, GONE_LIMIT)


def test_a_file_that_comes_back_is_not_gone(tmp_path: Path) -> None:
    path = tmp_path / "wish.json"
    path.touch()
    watch = MountWatch(path)
    watch.gone_for(1.0)
    path.unlink()
    watch.gone_for(10.0)
    path.touch()
    assert watch.gone_for(20.0) == 0.0


def test_a_file_that_was_never_there_ends_nothing(tmp_path: Path) -> None:
    watch = MountWatch(tmp_path / "wish.json")
    assert [watch.gone_for(0.0), watch.gone_for(1000.0)] == [0.0, 0.0]


def test_without_a_mount_there_is_nothing_to_miss() -> None:
    watch = MountWatch(None)
    assert [watch.gone_for(0.0), watch.gone_for(1000.0)] == [0.0, 0.0]
