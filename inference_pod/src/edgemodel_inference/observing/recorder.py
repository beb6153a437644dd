"""Writes down each request: counters, the interval's sums, the hardest samples.

An answer is noted in a step or two, and what was noted is entered into the books many at a time: whoever waits for an
answer does not wait for that, and a row of the same small work costs a fraction of what it costs piece by piece.
"""

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from edgemodel_inference.model.inference import Answered
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.observing.metrics import Metrics
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic

TOGETHER = 32
"""Answers that are entered at once, unless somebody looks into the books before."""
MOST_BYTES = 1024 * 1024
"""Bytes of arrays that may wait to be entered."""


@dataclass(slots=True)
class _Note:
    model: Model
    scores: Array | None
    """Of its classes, where the model gives such."""
    batch: Array | None
    """The input, where samples of it are wanted."""
    how: Answered

    @property
    def kind(self) -> tuple[Model, int]:
        """What notes have in common whose scores can be looked at together."""
        return self.model, 0 if self.scores is None else self.scores.shape[1]


class Recorder:
    """Called on the event loop; `settle` by any thread."""

    def __init__(self, traffic: Traffic, metrics: Metrics, samples: HardSamples) -> None:
        self._traffic = traffic
        self._metrics = metrics
        self._samples = samples
        self._notes: deque[_Note] = deque()
        self._bytes = 0
        self._entering = threading.Lock()
        traffic.settle = metrics.settle = self.settle

    def answered(self, model: Model, feeds: Mapping[str, Array], outputs: Sequence[Array], how: Answered) -> None:
        """Answered well; `outputs` are the model's own."""
        scores = model.class_scores(outputs)
        batch = None
        if scores is not None:
            self._bytes += scores.nbytes
            if len(feeds) == 1 and self._samples.wants(model.digest):
                (batch,) = feeds.values()
                self._bytes += batch.nbytes
        self._notes.append(_Note(model, scores, batch, how))
        if len(self._notes) >= TOGETHER or self._bytes > MOST_BYTES:
            self.settle()

    def refused(self, model: Model | None, outcome: str, queue: int) -> None:
        """Not answered: ``invalid``, ``rejected`` or ``error``."""
        self._metrics.count(outcome)
        if outcome != "invalid":
            self._traffic.failed(model.digest if model else None, queue)

    def settle(self) -> None:
        """Enter what was noted: called before anybody looks into the books."""
        with self._entering:
            notes = [self._notes.popleft() for _ in range(len(self._notes))]
            self._bytes = 0
            for _, alike in groupby(notes, key=lambda note: note.kind):
                for note, confidence in _judged(list(alike)):
                    self._enter(note, confidence)

    def _enter(self, note: _Note, confidence: Array | None) -> None:
        how = note.how
        self._metrics.answered(how.seconds + how.waited)
        self._traffic.answered(note.model.digest, how.seconds, confidence, how.queue, how.source)
        if confidence is not None and note.batch is not None and len(note.batch) == len(confidence):
            self._samples.offer(note.batch, confidence, of=note.model.digest)


def _judged(notes: Sequence[_Note]) -> Iterator[tuple[_Note, Array | None]]:
    """Each with the confidence of its rows, which is worked out for all at once; they are of one kind."""
    scores = [note.scores for note in notes if note.scores is not None]
    if not scores:
        yield from ((note, None) for note in notes)
        return
    confidence = notes[0].model.confidence(np.concatenate(scores))
    ends = np.cumsum([len(each) for each in scores])[:-1]
    yield from zip(notes, np.split(confidence, ends), strict=True)
