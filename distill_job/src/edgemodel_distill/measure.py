"""What a classifier is worth: accuracy, agreement, latency."""

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from edgemodel_distill.data import Floats, Labels

Predict = Callable[[Floats], Floats]

_ROUNDS, _SECONDS = 300, 4.0
_VIEWS = 4
_BINS = 15


def accuracy(logits: Floats, labels: Labels) -> float:
    """Share of rows whose highest logit is the label's."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def worst_class_accuracy(logits: Floats, labels: Labels) -> float:
    """Accuracy of the class that comes off worst; classes without a row do not count."""
    right = logits.argmax(axis=1) == labels
    return float(min(np.mean(right[labels == label]) for label in np.unique(labels)))


def agreement(one: Floats, other: Floats) -> float:
    """Share of rows for which both have the same highest logit."""
    return float(np.mean(one.argmax(axis=1) == other.argmax(axis=1)))


def confidence(logits: Floats) -> float:
    """Mean probability of the top class: what a node reports as `model_confidence_mean`."""
    return float(confidences(logits).mean())


def calibration_error(logits: Floats, labels: Labels) -> float:
    """Expected calibration error: confidence against accuracy in bins of confidence, weighted by their rows.

    Guo et al., On Calibration of Modern Neural Networks, 2017, section 2; 15 bins as there.
    """
    sure, right = confidences(logits), logits.argmax(axis=1) == labels
    bins = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    gaps = [abs(float((sure - right)[bins == number].sum())) for number in np.unique(bins)]
    return sum(gaps) / len(labels)


def drop_p_value(ours: Floats, theirs: Floats, labels: Labels) -> float:
    """How likely it is that an equally good model comes off as badly as `ours` does against `theirs`, or worse.

    McNemar's test, exact and one-sided: of the rows that only one of the two gets right, each is a fair coin's toss.
    """
    we, they = ours.argmax(axis=1) == labels, theirs.argmax(axis=1) == labels
    lost, won = int((they & ~we).sum()), int((we & ~they).sum())
    tosses = lost + won
    return sum(math.comb(tosses, count) for count in range(lost, tosses + 1)) / (1 << tosses)


def confidences(logits: Floats) -> Floats:
    """Each row's probability of its top class."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    top: Floats = 1 / np.exp(shifted).sum(axis=1)
    return top


def self_agreement(predict: Predict, inputs: Floats, noise: float, seed: int) -> float:
    """Share of `inputs` on which a model says the same with and without Gaussian noise, mean over a few views.

    `noise` is in standard deviations of the inputs. A model that is near its boundaries does not know what it sees.
    """
    random = np.random.default_rng(seed)
    plain, sigma = predict(inputs), noise * float(inputs.std())
    views = (inputs + random.normal(0, sigma, inputs.shape).astype(np.float32) for _ in range(_VIEWS))
    return float(np.mean([agreement(plain, predict(view)) for view in views]))


def count_non_finite(logits: Floats) -> int:
    """Rows that hold NaN or infinity."""
    return int((~np.isfinite(logits)).any(axis=1).sum())


def latency_ratio(one: Predict, other: Predict, sample: Floats) -> float:
    """Median time of `one` over that of `other` for `sample`."""
    ours, theirs = latencies((one, other), sample)
    return ours / theirs


def latencies(predicts: Sequence[Predict], sample: Floats) -> list[float]:
    """Median seconds of each for `sample`; runs alternate, so that all meet the same noise."""
    for predict in predicts:
        predict(sample)
    times: list[list[float]] = [[] for _ in predicts]
    deadline = time.perf_counter() + _SECONDS
    while len(times[0]) < _ROUNDS and (time.perf_counter() < deadline or not times[0]):
        for predict, taken in zip(predicts, times, strict=True):
            taken.append(_seconds(predict, sample))
    return [median(taken) for taken in times]


def _seconds(predict: Predict, sample: Floats) -> float:
    start = time.perf_counter()
    predict(sample)
    return time.perf_counter() - start
