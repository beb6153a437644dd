"""What is measured of the traffic, and which inputs are kept of it."""

import math

import numpy as np
import pytest

from edgemodel.tally import Measure
from edgemodel_inference.model.inference import Source
from edgemodel_inference.observing import samples as module
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic

V1, V2 = "sha256:1", "sha256:2"


@pytest.fixture
def traffic() -> Traffic:
    traffic = Traffic()
    traffic.switched(V1)
    return traffic


def test_an_interval_gives_means_and_rates(traffic: Traffic) -> None:
    traffic.answered(V1, 0.010, np.array([0.8, 0.6]), queue=3)
    traffic.answered(V1, 0.030, np.array([1.0]), queue=1)
    traffic.failed(V1, queue=0)
    assert traffic.take(2.0) == {
        "inference_latency_ms": pytest.approx(20.0),
        "model_confidence_mean": pytest.approx(0.8),
        "requests_per_second": 1.5,
        "error_ratio": pytest.approx(1 / 3),
        "queue_length": 3.0,
        "cloud_ratio": None,
    }


def test_the_share_of_the_cloud_is_of_the_answers_that_it_might_have_given(traffic: Traffic) -> None:
    for source in (Source.CLOUD, Source.EDGE, Source.EDGE, Source.EDGE, None):
        traffic.answered(V1, 0.010, np.array([0.5]), 0, source)
    assert [traffic.take(1.0)["cloud_ratio"] for _ in range(2)] == [0.25, None]


def test_an_interval_without_requests_says_nothing_of_latency_confidence_and_errors(traffic: Traffic) -> None:
    samples = traffic.take(1.0)
    assert {name for name, value in samples.items() if value is None} == {
        "inference_latency_ms",
        "model_confidence_mean",
        "error_ratio",
        "cloud_ratio",
    }


def test_answers_of_the_version_that_was_left_do_not_count_for_the_new_one(traffic: Traffic) -> None:
    traffic.switched(V2)
    traffic.answered(V1, 9.0, np.array([0.1]), queue=0)
    assert (traffic.take(1.0)["inference_latency_ms"], traffic.answered_since_switch) == (None, 0)


def test_each_interval_with_requests_is_one_observation_of_the_tally() -> None:
    traffic = Traffic(wall_clock=lambda: 7.0)
    traffic.switched(V1)
    for seconds in (0.010, 0.030):
        traffic.answered(V1, seconds, np.array([0.8, 0.6]), queue=0)
    traffic.take(1.0)
    traffic.take(1.0)
    traffic.failed(V1, queue=0)
    traffic.take(1.0)
    tally = traffic.tally(V1)
    assert tally is not None
    assert (tally.began, tally.answered) == (7.0, 2)
    assert [tally.moments[measure].count for measure in Measure] == [1, 1, 2]
    assert tally.moments[Measure.LATENCY].mean == pytest.approx((math.log(0.010) + math.log(0.030)) / 2)
    assert tally.moments[Measure.CONFIDENCE].mean == pytest.approx(0.7)
    assert tally.moments[Measure.ERRORS].mean == pytest.approx(0.5)


def test_another_version_begins_its_own_tally(traffic: Traffic) -> None:
    traffic.answered(V1, 0.010, None, queue=0)
    traffic.take(1.0)
    traffic.switched(V2)
    fresh = traffic.tally(V2)
    assert fresh is not None
    assert fresh.answered == 0
    assert traffic.tally(V1) is None


def row(value: float) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.full((1, 1, 2, 2), value, dtype=np.float32)


@pytest.fixture
def samples() -> HardSamples:
    samples = HardSamples()
    samples.switched(V1)
    samples.keep(3)
    return samples


def offer(samples: HardSamples, value: float, confidence: float, now: float = 0.0, of: str = V1) -> None:
    samples.offer(row(value), np.array([confidence], dtype=np.float32), of, now)


def kept(samples: HardSamples, now: float = 0.0) -> list[float]:
    return [float(k.array[0, 0, 0]) for k in samples.snapshot(now).kept]


def test_the_hardest_inputs_are_kept_hardest_first(samples: HardSamples) -> None:
    for value, confidence in enumerate([0.9, 0.5, 0.7, 0.3, 0.8]):
        offer(samples, value, confidence)
    assert kept(samples) == [3, 1, 2]


def test_among_equals_the_oldest_goes_first(samples: HardSamples) -> None:
    for value in range(3):
        offer(samples, value, 0.5)
    offer(samples, 9, 0.4)
    assert kept(samples) == [9, 1, 2]


def test_the_same_input_is_kept_once(samples: HardSamples) -> None:
    offer(samples, 1, 0.5)
    offer(samples, 1, 0.4)
    assert kept(samples) == [1]


def test_an_input_is_let_go_after_an_hour(samples: HardSamples) -> None:
    offer(samples, 1, 0.1, now=0.0)
    offer(samples, 2, 0.5, now=3000.0)
    assert kept(samples, now=3700.0) == [2]


def test_what_another_version_found_hard_is_dropped(samples: HardSamples) -> None:
    offer(samples, 1, 0.1)
    samples.switched(V2)
    offer(samples, 2, 0.1, of=V1)
    offer(samples, 3, 0.5, of=V2)
    assert kept(samples) == [3]


def test_nothing_is_kept_when_nobody_wants_it(samples: HardSamples) -> None:
    samples.keep(0)
    offer(samples, 1, 0.1)
    assert kept(samples) == []


def test_large_inputs_are_bounded_by_their_bytes(samples: HardSamples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 40)
    for value in range(3):
        offer(samples, value, 0.5 - value / 10)
    assert kept(samples) == [2, 1]
