"""How often a rule fires by chance: a million healthy requests in samples of so many.

    python -m tests.bench.healing.chance

The confidences are those of the demo's `v1` on clean digits that it was not trained with, drawn independently. Requests
of one camera resemble each other, so that a real node's samples are worth fewer requests than they hold.
"""

import argparse
import sys

import numpy as np

from edgemodel.bundle import MODEL
from edgemodel.faults import Detector, Rule
from edgemodel_registry.arrays import read_arrays
from lab import digits
from lab.home import Home
from tests.bench.serving.networks import Array

REQUESTS = 1_000_000
SIZES = (1, 2, 5, 10)
_WATCHED = {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.6}
RULES = {
    "latest, two hits": Rule(**_WATCHED, window=3, trigger_count=2),
    "latest, three hits": Rule(**_WATCHED),
    "mean of ten, two hits": Rule(**_WATCHED, statistic="mean", window=10, trigger_count=2),
}


def firings(rule: Rule, samples: Array) -> int:
    """How often `rule` fires."""
    detector = Detector([rule])
    return sum(len(detector.feed({rule.metric: float(sample)}, 0.0)) for sample in samples)


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m tests.bench.healing.chance", description=__doc__).parse_args()
    found = _confidences()
    print(f"{len(found)} images, mean confidence {found.mean():.3f}, below 0.6: {np.mean(found < 0.6):.3f}")
    print(f"firings in {REQUESTS:,} healthy requests; requests in a sample:".ljust(68), *(f"{n:>7}" for n in SIZES))
    random = np.random.default_rng(0)
    for name, rule in RULES.items():
        counts = [firings(rule, random.choice(found, (REQUESTS // size, size)).mean(axis=1)) for size in SIZES]
        print(name.ljust(68), *(f"{count:>7}" for count in counts))
    return 0


def _confidences() -> Array:
    import onnxruntime  # noqa: PLC0415 (slow to import)

    folder = digits.prepare(Home.default().root / "digits").folder
    session = onnxruntime.InferenceSession((folder / "v1" / MODEL).read_bytes(), providers=["CPUExecutionProvider"])
    inputs = read_arrays(folder / "clean.npz")["inputs"]
    scores: Array = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    tops: Array = 1 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)
    return tops


if __name__ == "__main__":
    sys.exit(main())
