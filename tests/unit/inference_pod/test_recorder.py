"""The books after answers that were noted one by one and entered together."""

from pathlib import Path

import numpy as np
import pytest

from edgemodel import series
from edgemodel_inference.model.inference import Answered
from edgemodel_inference.model.models import Model, open_model
from edgemodel_inference.observing import recorder as module
from edgemodel_inference.observing.metrics import Metrics, Readings
from edgemodel_inference.observing.recorder import Recorder
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic
from tests.unit.inference_pod.tiny_bundles import CARD, SHAPE, bundle


class Books:
    """A recorder, what it writes to, and one model that answers."""

    def __init__(self, folder: Path) -> None:
        self.model = self.open(folder, "v1")
        self.traffic, self.samples = Traffic(), HardSamples()
        self.metrics = Metrics(series.identity("tiny", "plant-a", "edge-1"), Readings)
        self.recorder = Recorder(self.traffic, self.metrics, self.samples)
        self.traffic.switched(self.model.digest)
        self.samples.switched(self.model.digest)

    def open(self, folder: Path, name: str) -> Model:
        return open_model(folder / name, bundle(folder, name), threads=1)

    def answer(self, *sure: float, model: Model | None = None) -> None:
        """One answer, whose rows are so sure of the first of two classes."""
        model = model or self.model
        model.card = CARD.model_copy(update={"output_kind": "probabilities"})
        scores = np.array([[each, 1 - each] for each in sure], dtype=np.float32)
        rows = np.stack([np.full(SHAPE, each, dtype=np.float32) for each in sure])
        self.recorder.answered(model, {"x": rows}, [scores], Answered(0.01, 0.0, 0, None))

    def exported(self) -> float:
        return sum(value for name, _, value in self.metrics.samples() if name == series.REQUESTS_TOTAL)

    def kept(self) -> list[float]:
        return [float(kept.array.flat[0]) for kept in self.samples.snapshot(0.0).kept]


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def test_whoever_looks_sees_all_that_was_answered(books: Books) -> None:
    books.answer(0.9)
    books.answer(0.6, 0.7)
    assert books.traffic.answered_since_switch == 2
    assert books.traffic.take(1.0)["model_confidence_mean"] == pytest.approx((0.9 + 0.6 + 0.7) / 3)
    books.answer(0.8)
    assert books.exported() == 3


def test_many_are_entered_without_anybody_looking(books: Books) -> None:
    books.samples.keep(3)
    for number in range(module.TOGETHER):
        books.answer(0.9 - number / 100)
    assert sorted(books.kept()) == pytest.approx([0.59, 0.6, 0.61])


def test_large_ones_do_not_wait_for_many(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 20)
    books.samples.keep(3)
    books.answer(0.5)
    assert books.kept() == [0.5]


def test_inputs_that_nobody_wants_are_not_held(books: Books) -> None:
    books.answer(0.5)
    books.samples.keep(3)
    books.recorder.settle()
    assert books.kept() == []


def test_each_version_counts_for_itself_also_when_they_took_turns(books: Books, tmp_path: Path) -> None:
    other = books.open(tmp_path, "v2")
    for _ in range(3):
        books.answer(0.9)
        books.answer(0.1, model=other)
    assert books.traffic.take(1.0)["model_confidence_mean"] == pytest.approx(0.9)


def test_answers_that_are_no_classes_count_without_confidence(books: Books) -> None:
    books.model.card = CARD.model_copy(update={"output_kind": "other"})
    books.recorder.answered(books.model, {"x": np.zeros(SHAPE)}, [np.zeros((1, 2))], Answered(0.01, 0.0, 0, None))
    taken = books.traffic.take(1.0)
    assert (taken["inference_latency_ms"], taken["model_confidence_mean"]) == (pytest.approx(10.0), None)
