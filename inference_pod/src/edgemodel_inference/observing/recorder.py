"""Writes down each request: counters, the interval's sums, the hardest samples."""

from collections.abc import Mapping

from edgemodel_inference.model.inference import Answered
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.observing.metrics import Metrics
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic


class Recorder:
    """Called on the event loop."""

    def __init__(self, traffic: Traffic, metrics: Metrics, samples: HardSamples) -> None:
        self._traffic = traffic
        self._metrics = metrics
        self._samples = samples

    def answered(self, model: Model, feeds: Mapping[str, Array], how: Answered) -> None:
        """Answered well."""
        confidence = how.result.confidence
        self._metrics.answered(how.seconds + how.waited)
        self._traffic.answered(model.digest, how.seconds, confidence, how.queue, how.source)
        if confidence is None or len(feeds) != 1:
            return
        (batch,) = feeds.values()
        if len(batch) == len(confidence):
            self._samples.offer(batch, confidence, of=model.digest)

    def refused(self, model: Model | None, outcome: str, queue: int) -> None:
        """Not answered: ``invalid``, ``rejected`` or ``error``."""
        self._metrics.count(outcome)
        if outcome != "invalid":
            self._traffic.failed(model.digest if model else None, queue)
