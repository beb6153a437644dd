"""What repeated crashes mean."""

from edgemodel_inference.processes.crashes import Crash, culprit, pause

THRICE = [Crash(0.0, "a"), Crash(10.0, "a"), Crash(20.0, "a")]


def test_three_crashes_in_a_minute_under_one_version_blame_it() -> None:
    assert culprit(THRICE, 20.0) == "a"


def test_crashes_further_apart_blame_nobody() -> None:
    assert culprit(THRICE, 65.0) is None


def test_crashes_under_two_versions_blame_nobody() -> None:
    assert culprit([*THRICE[:2], Crash(20.0, "b")], 20.0) is None


def test_crashes_without_a_version_blame_nobody() -> None:
    assert culprit([Crash(c.at, None) for c in THRICE], 20.0) is None


def test_a_single_crash_is_followed_at_once_by_a_new_worker() -> None:
    assert pause(THRICE[:2], 10.0) == 0.0


def test_crash_after_crash_is_followed_by_growing_pauses() -> None:
    many = [Crash(float(i), "a") for i in range(10)]
    assert [pause(many[:n], 10.0) for n in (3, 4, 5, 10)] == [0.5, 1.0, 2.0, 10.0]
