"""When a fault is active, and when nothing is known about it."""

from collections.abc import Iterable

import pytest

from edgemodel.faults import Rule
from edgemodel_inference.healing.detector import FaultWatch

SLOW = Rule(name="slow", metric="inference_latency_ms", operator=">", threshold=100, window=2, trigger_count=2)


@pytest.fixture
def watch() -> FaultWatch:
    watch = FaultWatch()
    watch.replace_rules([SLOW])
    return watch


def feed(watch: FaultWatch, values: Iterable[float | None]) -> bool | None:
    for value in values:
        watch.feed({"inference_latency_ms": value}, 0.0)
    return watch.active("slow")


def test_nothing_is_known_before_the_window_is_full(watch: FaultWatch) -> None:
    assert feed(watch, [500]) is None


def test_a_hit_that_has_not_fired_yet_is_neither_a_fault_nor_none(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500]) is None


def test_a_miss_says_that_there_is_no_fault(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 5]) is False


def test_where_there_was_no_fault_a_hit_that_has_not_fired_yet_is_none(watch: FaultWatch) -> None:
    assert feed(watch, [5, 5, 500]) is False


def test_a_rule_that_fires_makes_its_fault_active(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 500]) is True


def test_one_miss_does_not_end_what_took_two_hits_to_begin(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 500, 5]) is True


def test_as_many_misses_as_hits_end_a_fault(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 500, 5, 5]) is False


def test_a_hit_between_misses_keeps_a_fault_active(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 500, 5, 500, 5]) is True


def test_an_interval_without_requests_changes_nothing(watch: FaultWatch) -> None:
    assert feed(watch, [500, 500, 500, None, None, None]) is True


def test_after_a_switch_nothing_is_known(watch: FaultWatch) -> None:
    feed(watch, [500, 500, 500])
    watch.forget()
    assert (watch.active("slow"), watch.all()) == (None, {})


def test_a_changed_rule_is_judged_anew(watch: FaultWatch) -> None:
    feed(watch, [500, 500, 500])
    watch.replace_rules([SLOW.model_copy(update={"threshold": 1000.0})])
    assert watch.active("slow") is None


def test_a_rule_that_is_gone_has_no_fault(watch: FaultWatch) -> None:
    feed(watch, [500, 500, 500])
    watch.replace_rules([])
    assert watch.all() == {}
