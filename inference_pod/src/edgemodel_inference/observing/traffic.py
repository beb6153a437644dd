"""What the traffic was like: totals, and one sample of each metric per interval."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgemodel.tally import Measure, Tally
from edgemodel_inference.model.inference import Source
from edgemodel_inference.model.models import Array

SHORTEST = 1e-3
"""Seconds below which answers are not told apart: ratios of less are the host's doing, not the model's."""


@dataclass(slots=True)
class _Sums:
    answered: int = 0
    failed: int = 0
    seconds: float = 0.0
    log_seconds: float = 0.0
    rows: int = 0
    confidence: float = 0.0
    longest_queue: int = 0
    joint: int = 0
    """Answers that the cloud might have given."""
    by_cloud: int = 0

    def observations(self) -> dict[Measure, float]:
        """What the interval shows; nothing of what nobody asked for."""
        found: dict[Measure, float] = {}
        if self.answered:
            found[Measure.LATENCY] = self.log_seconds / self.answered
        if self.rows:
            found[Measure.CONFIDENCE] = self.confidence / self.rows
        if self.answered + self.failed:
            found[Measure.ERRORS] = self.failed / (self.answered + self.failed)
        return found


class Traffic:
    """Sums of the present interval, for the active version only: another's would blur what is judged."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._lock = threading.Lock()
        self._wall_clock = wall_clock
        self._sums = _Sums()
        self._digest: str | None = None
        self._since_switch = 0
        self._tally = Tally(began=wall_clock())
        self.settle: Callable[[], None] = lambda: None
        """Called before anything is read: whoever enters answers may have some left."""

    @property
    def answered_since_switch(self) -> int:
        """Requests answered well since the active model was last flipped, or since the start."""
        self.settle()
        return self._since_switch

    def tally(self, digest: str) -> Tally | None:
        """The whole intervals since `digest` became active; None where another one is."""
        self.settle()
        with self._lock:
            return self._tally if digest == self._digest else None

    def switched(self, digest: str | None) -> None:
        """Another version answers from now on."""
        self.settle()
        with self._lock:
            self._digest, self._sums, self._since_switch = digest, _Sums(), 0
            self._tally = Tally(began=self._wall_clock())

    def answered(
        self, digest: str, seconds: float, confidence: Array | None, queue: int, source: Source | None = None
    ) -> None:
        """A request was answered well by the model here after `seconds`, with `queue` others waiting.

        `source`: whose answer went out then; None: joint inference is off.
        """
        with self._lock:
            if digest != self._digest:
                return
            sums = self._sums
            sums.answered += 1
            sums.seconds += seconds
            sums.log_seconds += math.log(max(seconds, SHORTEST))
            sums.longest_queue = max(sums.longest_queue, queue)
            self._since_switch += 1
            sums.joint += source is not None
            sums.by_cloud += source is Source.CLOUD
            if confidence is not None:
                sums.rows += len(confidence)
                sums.confidence += sum(confidence.tolist())

    def failed(self, digest: str | None, queue: int) -> None:
        """A sound request got no answer: the model failed on it, or there was no room or time."""
        with self._lock:
            if digest == self._digest:
                self._sums.failed += 1
                self._sums.longest_queue = max(self._sums.longest_queue, queue)

    def take(self, elapsed: float) -> dict[str, float | None]:
        """The samples of the interval of `elapsed` seconds that ends now; None where nothing was measured."""
        self.settle()
        with self._lock:
            sums, self._sums = self._sums, _Sums()
            moments = dict(self._tally.moments)
            for measure, value in sums.observations().items():
                moments[measure] = moments[measure].add(value)
            answered = self._tally.answered + sums.answered
            self._tally = replace(self._tally, answered=answered, moments=moments)
        requests = sums.answered + sums.failed
        return {
            "inference_latency_ms": 1000 * sums.seconds / sums.answered if sums.answered else None,
            "model_confidence_mean": sums.confidence / sums.rows if sums.rows else None,
            "requests_per_second": requests / elapsed,
            "error_ratio": sums.failed / requests if requests else None,
            "queue_length": float(sums.longest_queue),
            "cloud_ratio": sums.by_cloud / sums.joint if sums.joint else None,
        }
