"""The folder that outlives a Job's pods: one order's, one pod's at a time, and gone when there is a result."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgemodel_distill import work
from edgemodel_distill.config import Post, Settings
from edgemodel_distill.errors import BadSettings, DiskFull, Terminated


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a Job whose claim is mounted."""
    return Settings(work=tmp_path / "pod", checkpoints=tmp_path / "claim" / "uid" / "distilled-3")


def kept(settings: Settings) -> Path:
    assert settings.checkpoints is not None
    return settings.checkpoints


def leave(folder: Path) -> None:
    """What a pod that was killed leaves behind."""
    with work.of_a_job(Settings(checkpoints=folder)):
        (folder / "teacher").mkdir()
        (folder / "teacher" / "model.onnx").write_text("a model")
        (folder / "checkpoint.safetensors").write_text("a training")


def test_the_next_pod_finds_what_the_one_before_left(settings: Settings) -> None:
    leave(kept(settings))
    with work.of_a_job(settings) as folder:
        assert (folder / "checkpoint.safetensors").exists()


def test_with_a_result_nothing_is_left(settings: Settings, tmp_path: Path) -> None:
    leave(kept(settings))
    work.done(settings)
    assert list((tmp_path / "claim").iterdir()) == []


def test_what_earlier_orders_left_is_removed_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    uid, theirs = kept(settings).parent, tmp_path / "claim" / "other-uid" / "distilled-1"
    leave(uid / "distilled-1")
    leave(theirs)
    (uid / "holiday").mkdir()
    (uid / "notes.txt").write_text("a person's")
    with work.of_a_job(settings):
        assert sorted(path.name for path in uid.iterdir()) == ["distilled-3", "holiday", "notes.txt"]
    work.done(settings)
    assert sorted(path.name for path in uid.iterdir()) == ["holiday", "notes.txt"]
    assert (theirs / "checkpoint.safetensors").exists()


def test_an_earlier_order_that_still_runs_keeps_its_folder(settings: Settings) -> None:
    earlier = kept(settings).with_name("distilled-2")
    with work.of_a_job(Settings(checkpoints=earlier)), work.of_a_job(settings):
        assert earlier.exists()


def test_what_a_kill_left_of_a_removal_is_removed_later(settings: Settings) -> None:
    half_gone = kept(settings).with_name("distilled-2")
    leave(half_gone)
    (half_gone / "checkpoint.safetensors").unlink()
    with work.of_a_job(settings):
        assert not half_gone.exists()


def test_two_pods_of_one_order_never_work_at_once(settings: Settings) -> None:
    with (
        work.of_a_job(settings),
        pytest.raises(BadSettings, match=r"^EDGEMODEL_CHECKPOINTS: .*another run works in it"),
        work.of_a_job(settings),
    ):
        pass


def test_a_worker_that_does_not_lead_leaves_the_claim_alone(settings: Settings) -> None:
    helper = replace(settings, post=Post(rank=1, workers=2, leader="leader"))
    with work.of_a_job(helper) as folder:
        assert folder == settings.work
    work.done(helper)
    assert not kept(settings).exists()


def test_a_claim_that_nobody_may_write_to_is_named_with_who_wants_to() -> None:
    with (
        pytest.raises(BadSettings, match=rf"^EDGEMODEL_CHECKPOINTS: want a folder that user {os.getuid()} may write"),
        work.of_a_job(Settings(checkpoints=Path("/proc/claim"))),  # where root may not make one either
    ):
        pass


def test_a_full_claim_is_named_and_keeps_what_is_there(settings: Settings) -> None:
    leave(kept(settings))
    with pytest.raises(DiskFull, match=r"spec\.distillation\.checkpoints"), work.of_a_job(settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (kept(settings) / "checkpoint.safetensors").exists()


def test_another_workers_disk_is_not_taken_for_the_claim(settings: Settings) -> None:
    with pytest.raises(DiskFull, match=r"^worker 1: no space left$"), work.of_a_job(settings):
        raise DiskFull("worker 1: no space left")


def test_a_pod_that_is_told_to_end_leaves_its_work(settings: Settings) -> None:
    leave(kept(settings))
    with pytest.raises(Terminated), work.of_a_job(settings):
        raise Terminated
    assert (kept(settings) / "checkpoint.safetensors").exists()
