"""How far the edge's samples are from the training set: numbers that need no labels. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edgemodel_distill import measure
from edgemodel_distill.data import Floats

_BINS = 10
_SMALLEST_SHARE = 1e-4

LARGE_PSI = 0.25
"""From here on a population counts as changed: Siddiqi, Credit Risk Scorecards, 2006, chapter 9."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of every sample, in the training set and at the edge."""

    psi: float
    """Population stability index over the training set's tenths: sum of (q - p) * ln(q / p)."""
    ks: float
    """Kolmogorov and Smirnov's distance: the largest gap between the two cumulative shares."""
    edges: tuple[float, ...]
    training: tuple[float, ...]
    """Shares of the samples between `edges`."""
    edge: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """The edge against the training set."""

    samples: int
    figures: Mapping[str, Compared]
    """Of mean and spread of the input, and of the teacher's confidence."""
    classes_training: tuple[float, ...]
    """Shares of the teacher's answers."""
    classes_edge: tuple[float, ...]
    confidence_per_class: tuple[float | None, ...]
    """The teacher's mean confidence at the edge, by its answer; None: it never gave that answer."""

    def dump(self) -> str:
        """As JSON; equal figures give equal text."""
        return json.dumps(asdict(self), sort_keys=True, indent=1) + "\n"


def compare(training: Floats, edge: Floats, training_logits: Floats, edge_logits: Floats) -> Drift:
    """Compare samples (N, *shape) and the teacher's logits (N, classes) for them; none of the two sets is empty."""
    classes = training_logits.shape[1]
    answers, sure = edge_logits.argmax(axis=1), measure.confidences(edge_logits)
    figures = {
        "mean": (_flat(training).mean(axis=1), _flat(edge).mean(axis=1)),
        "spread": (_flat(training).std(axis=1), _flat(edge).std(axis=1)),
        "teacher's confidence": (measure.confidences(training_logits), sure),
    }
    return Drift(
        samples=len(edge),
        figures={name: _compare(one, other) for name, (one, other) in figures.items()},
        classes_training=_shares(np.bincount(training_logits.argmax(axis=1), minlength=classes)),
        classes_edge=_shares(np.bincount(answers, minlength=classes)),
        confidence_per_class=tuple(
            round(float(sure[answers == number].mean()), 4) if (answers == number).any() else None
            for number in range(classes)
        ),
    )


def _compare(training: Floats, edge: Floats) -> Compared:
    tenths = np.unique(np.quantile(training, np.linspace(0, 1, _BINS + 1)[1:-1]))
    p, q = (np.maximum(_binned(values, tenths), _SMALLEST_SHARE) for values in (training, edge))
    low, high = float(min(training.min(), edge.min())), float(max(training.max(), edge.max()))
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    return Compared(
        psi=round(float(((q - p) * np.log(q / p)).sum()), 4),
        ks=round(_largest_gap(training, edge), 4),
        edges=tuple(np.round(edges, 6).tolist()),
        training=_shares(np.histogram(training, edges)[0]),
        edge=_shares(np.histogram(edge, edges)[0]),
    )


def _largest_gap(one: Floats, other: Floats) -> float:
    places = np.concatenate([one, other])
    below = [np.searchsorted(np.sort(values), places, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def _binned(values: Floats, inner: Floats) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(inner, values), minlength=len(inner) + 1)
    shares: NDArray[np.float64] = counts / len(values)
    return shares


def _shares(counts: NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(np.round(counts / counts.sum(), 4).tolist())


def _flat(inputs: Floats) -> Floats:
    return inputs.reshape(len(inputs), -1)
