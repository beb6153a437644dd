"""Fault rules, exactly as docs promise: one evaluation for the node and for the simulator."""

import math
import statistics
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgemodel.faults import RING_SIZE, Detector, Firing, Judgement, Rule, Severity, judge, student_t_within, trend

SAMPLES = st.lists(st.floats(-1000, 1000), min_size=3, max_size=60)


def rule(operator: str = ">", **fields: Any) -> Rule:
    given = {"name": "slow", "metric": "inference_latency_ms", "threshold": 10, "window": 3, "triggerCount": 1}
    return Rule.model_validate({**given, "operator": operator, **fields})


def hit(operator: str, samples: list[float], **fields: Any) -> bool | None:
    judgement = judge(rule(operator, **{"window": len(samples), **fields}), samples)
    return None if judgement is None else judgement.hit


# Comparisons


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [(">", False, False, True), (">=", False, True, True), ("<", True, False, False), ("<=", True, True, False)],
)
def test_each_comparison_is_exact_at_the_threshold(operator: str, below: bool, equal: bool, above: bool) -> None:
    assert [hit(operator, [9.0]), hit(operator, [10.0]), hit(operator, [11.0])] == [below, equal, above]


@pytest.mark.parametrize(
    ("statistic", "expected"), [("latest", 3.0), ("mean", 4.0), ("max", 8.0), ("min", 1.0), ("p95", 8.0)]
)
def test_each_statistic_is_of_the_window(statistic: str, expected: float) -> None:
    judgement = judge(rule(statistic=statistic, window=4), [99.0, 8.0, 1.0, 4.0, 3.0])
    assert judgement is not None
    assert judgement.value == expected


def test_by_default_the_latest_sample_is_compared() -> None:
    assert rule().statistic == "latest"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_p95_is_the_smallest_sample_that_95_percent_do_not_exceed(samples: list[float]) -> None:
    judgement = judge(rule(statistic="p95", window=len(samples)), samples)
    assert judgement is not None
    assert judgement.value == np.percentile(samples, 95, method="inverted_cdf")


@pytest.mark.parametrize("operator", [">", "trend_up", "trend_down", "change_rate", "variance"])
def test_fewer_samples_than_the_window_give_no_verdict(operator: str) -> None:
    assert judge(rule(operator, window=4), [1e6, -1e6, 1e6]) is None


@pytest.mark.parametrize(
    ("operator", "samples"),
    [
        (">", [1e308, 1e308, 1e308]),
        ("trend_up", [-1e308, 1e308, 1e308]),
        ("trend_down", [1e308, 1e308, -1e308]),
        ("change_rate", [1e-320, 1e308]),
        ("variance", [-1e308, 1e308]),
    ],
)
def test_samples_too_large_to_compute_with_give_no_verdict(operator: str, samples: list[float]) -> None:
    assert hit(operator, samples, statistic="mean") is None


def test_only_the_last_window_is_looked_at() -> None:
    assert judge(rule("<", window=2, statistic="max"), [1e9, 1.0, 2.0]) == Judgement(hit=True, value=2.0)


# Trends


@given(SAMPLES)
def test_growth_is_that_of_the_least_squares_line(samples: list[float]) -> None:
    slope = scipy.stats.linregress(range(len(samples)), samples).slope
    growth, _ = trend(samples)
    assert growth == pytest.approx(slope * (len(samples) - 1), abs=1e-6)


@given(SAMPLES)
def test_a_trend_is_sure_when_the_95_percent_interval_of_its_slope_is_above_zero(samples: list[float]) -> None:
    fit = scipy.stats.linregress(range(len(samples)), samples)
    reach = scipy.stats.t.ppf(0.975, len(samples) - 2) * fit.stderr
    assume(abs(fit.slope - reach) > 1e-9 * (1 + abs(fit.slope)))
    assert trend(samples)[1] is bool(fit.slope - reach > 0)


@given(st.floats(1e-6, 50), st.integers(1, 1000))
def test_students_t_is_that_of_the_textbooks(t: float, degrees: int) -> None:
    expected = 1 - 2 * scipy.stats.t.sf(t, degrees)
    assert student_t_within(t, degrees) == pytest.approx(expected, abs=1e-9)


def test_a_perfect_line_is_sure() -> None:
    assert trend([0.1 * i for i in range(30)]) == (pytest.approx(2.9), True)


def test_a_flat_line_is_no_trend() -> None:
    assert trend([5.0] * 30) == (0.0, False)


def test_memory_that_grows_by_more_than_the_threshold_is_a_trend_up() -> None:
    grown = [100 + i + (i % 3) for i in range(30)]
    assert hit("trend_up", grown, threshold=25) is True
    assert hit("trend_up", grown, threshold=35) is False
    assert hit("trend_down", grown, threshold=25) is False


def test_noise_that_happens_to_end_higher_is_no_trend() -> None:
    noise = [0, 40, 0, 40, 0, 40, 0, 40, 0, 40]
    growth, sure = trend(noise)
    assert growth > 10
    assert not sure
    assert hit("trend_up", noise) is False


@given(SAMPLES, st.floats(0, 100))
def test_trend_down_is_the_mirror_image_of_trend_up(samples: list[float], threshold: float) -> None:
    up = judge(rule("trend_up", window=len(samples), threshold=threshold), samples)
    down = judge(rule("trend_down", window=len(samples), threshold=threshold), [-s for s in samples])
    assert up is not None
    assert down is not None
    assert (down.hit, down.value) == (up.hit, -up.value)


@pytest.mark.parametrize("operator", ["trend_up", "trend_down"])
def test_a_trend_through_two_samples_is_refused(operator: str) -> None:
    with pytest.raises(ValidationError, match="window >= 3"):
        rule(operator, window=2)


# Change rate and variance


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        ([10.0, 10.0, 15.0, 15.0], 0.5),
        ([10.0, 10.0, 5.0, 5.0], 0.5),
        ([10.0, 10.0, 999.0, 15.0, 15.0], 0.5),
        ([-10.0, -15.0], 0.5),
    ],
)
def test_change_rate_compares_the_newer_half_with_the_older(samples: list[float], rate: float) -> None:
    judgement = judge(rule("change_rate", window=len(samples), threshold=0.4), samples)
    assert judgement == Judgement(hit=True, value=pytest.approx(rate))
    assert hit("change_rate", samples, threshold=0.5) is False


def test_an_older_half_of_mean_zero_gives_no_verdict() -> None:
    assert hit("change_rate", [-1.0, 1.0, 5.0, 5.0]) is None


def test_change_rate_over_one_sample_is_refused() -> None:
    with pytest.raises(ValidationError, match="window >= 2"):
        rule("change_rate", window=1)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=50))
def test_variance_is_that_of_the_population(samples: list[float]) -> None:
    judgement = judge(rule("variance", window=len(samples)), samples)
    assert judgement is not None
    assert judgement.value == pytest.approx(statistics.pvariance(samples))
    assert judgement.hit is (judgement.value > 10)


# Counting


def feed(detector: Detector, *values: float | None) -> list[int]:
    """Positions at which the rule fired."""
    fired = [detector.feed({"inference_latency_ms": value}, i) for i, value in enumerate(values)]
    return [i for i, firings in enumerate(fired) if firings]


def test_a_rule_fires_after_so_many_hits_in_a_row() -> None:
    assert feed(Detector([rule(window=1, triggerCount=3)]), 11, 11, 11) == [2]


def test_a_miss_sets_the_counter_to_zero() -> None:
    assert feed(Detector([rule(window=1, triggerCount=3)]), 11, 11, 9, 11, 11, 11) == [5]


def test_the_counter_returns_to_zero_after_firing() -> None:
    assert feed(Detector([rule(window=1, triggerCount=2)]), *[11] * 6) == [1, 3, 5]


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
def test_an_absent_sample_leaves_the_counter_alone(absent: float | None) -> None:
    assert feed(Detector([rule(window=1, triggerCount=2)]), 11, absent, absent, 11) == [3]


def test_an_absent_sample_is_not_in_the_window() -> None:
    assert feed(Detector([rule(window=2, statistic="min")]), 11, None, 11) == [2]


def test_no_verdict_leaves_the_counter_alone() -> None:
    rates = rule("change_rate", window=4, threshold=0.1, triggerCount=2)
    assert feed(Detector([rates]), 2, 2, -2, 8, 5, 13) == [5]


def test_a_firing_carries_its_evidence() -> None:
    detector = Detector([rule(window=2, severity="Warning", statistic="mean")])
    detector.feed({"inference_latency_ms": 12.0}, 1.0)
    (firing,) = detector.feed({"inference_latency_ms": 14.0, "cpu_percent": 3.0}, 2.0)
    assert firing == Firing(
        rule="slow",
        metric="inference_latency_ms",
        value=13.0,
        threshold=10.0,
        window=(12.0, 14.0),
        severity=Severity.WARNING,
        time=2.0,
    )


def test_rules_of_other_metrics_are_not_disturbed() -> None:
    other = rule(name="busy", metric="cpu_percent", window=1)
    detector = Detector([rule(window=1), other])
    assert [f.rule for f in detector.feed({"cpu_percent": 50.0}, 0)] == ["busy"]


def test_rules_fire_in_the_order_in_which_they_are_written() -> None:
    detector = Detector([rule(name=name, window=1) for name in ("b", "a", "c")])
    assert [f.rule for f in detector.feed({"inference_latency_ms": 11.0}, 0)] == ["b", "a", "c"]


def test_a_ring_keeps_a_thousand_samples() -> None:
    detector = Detector([rule(window=RING_SIZE, statistic="max")])
    assert feed(detector, 99, *[1] * 999) == [999]
    assert feed(detector, 1) == []


def test_after_a_switch_what_follows_is_judged_by_itself() -> None:
    detector = Detector([rule(window=2, statistic="min", triggerCount=2)])
    feed(detector, 11, 11)
    detector.forget()
    assert feed(detector, 11, 11) == []
    assert feed(detector, 11) == [0]


def test_a_rule_that_did_not_change_goes_on_counting() -> None:
    detector = Detector([rule(window=1, triggerCount=2)])
    feed(detector, 11)
    detector.replace_rules([rule(name="new", window=1), rule(window=1, triggerCount=2)])
    assert [f.rule for f in detector.feed({"inference_latency_ms": 11.0}, 0)] == ["new", "slow"]


def test_a_rule_that_changed_begins_anew() -> None:
    detector = Detector([rule(window=1, triggerCount=2)])
    feed(detector, 11)
    detector.replace_rules([rule(window=1, triggerCount=2, threshold=5)])
    assert feed(detector, 11) == []


@given(st.lists(st.none() | st.floats(allow_nan=True), max_size=60), st.integers(1, 5), st.integers(1, 4))
def test_a_detector_fires_exactly_when_the_definition_says_so(
    values: list[float | None], window: int, trigger: int
) -> None:
    expected, present, hits = [], [], 0
    for i, value in enumerate(values):
        if value is None or not math.isfinite(value):
            continue
        present.append(value)
        if len(present) < window:
            continue
        hits = hits + 1 if max(present[-window:]) > 10 else 0
        if hits == trigger:
            expected.append(i)
            hits = 0
    assert feed(Detector([rule(window=window, statistic="max", triggerCount=trigger)]), *values) == expected


@pytest.mark.parametrize(
    "fields", [{"metric": "moon_phase"}, {"operator": "="}, {"window": 0}, {"window": 1001}, {"name": "Not A Name"}]
)
def test_a_rule_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**fields)
