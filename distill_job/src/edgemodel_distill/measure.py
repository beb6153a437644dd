"""What a classifier is worth: accuracy, agreement, latency."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from edgemodel_distill.data import Floats, Labels

Predict = Callable[[Floats], Floats]

_ROUNDS, _SECONDS = 300, 4.0
_VIEWS = 4


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
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float((1 / np.exp(shifted).sum(axis=1)).mean())


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
