"""One inference on behalf of a caller: run it, and write down how it went."""

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from edgemodel_inference.errors import BadRequest, RequestError, Unavailable, Unprocessable
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.traces import CURRENT

Answer = TypeVar("Answer")


class Source(StrEnum):
    """Whose answer went out."""

    EDGE = "edge"
    CLOUD = "cloud"


class Answered(NamedTuple):
    """How a request was answered well."""

    seconds: float
    """It took without the cloud."""
    waited: float
    """Seconds for the cloud."""
    queue: int
    """Requests that waited."""
    source: Source | None
    """None: joint inference is off, or not for models like this one."""


class Recorder(Protocol):
    """Takes note of requests; called on the event loop, so it has to be quick."""

    def answered(self, model: Model, feeds: Mapping[str, Array], outputs: Sequence[Array], how: Answered) -> None:
        """Answered well.

        `outputs` are the edge's own, whoever answered: the cloud's confidence says nothing of the version here.
        """

    def refused(self, model: Model | None, outcome: str, queue: int) -> None:
        """Not answered: ``invalid`` (the caller's fault), ``rejected`` (no room or time), ``error`` (the model's)."""


class SecondOpinion(Protocol):
    """Whom to ask where the edge's own model is unsure."""

    def unsure(self, model: Model, confidence: Array) -> bool:
        """Whether to ask, by the confidence of each row."""

    async def ask(self, model: Model, feeds: Mapping[str, Array], result: Result) -> Result | None:
        """Another answer in place of `result`, with the same shapes and datatypes; None: there is none."""


class Inference:
    """What the routes for machines and the routes for people have in common."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self._engine = engine
        self._recorder = recorder
        self.joint: SecondOpinion | None = None
        """Set by any thread; None: joint inference is off."""

    def need(self, model: Model | None) -> Model:
        """`model`, where there is one.

        Raises:
            Unavailable: nothing is served yet.
        """
        if model is None:
            self._recorder.refused(None, "rejected", self._engine.queue_length)
            raise Unavailable("no model is served yet; see /status on the admin port")
        return model

    def invalid(self, model: Model) -> None:
        """Take note of a request that was malformed."""
        self._recorder.refused(model, "invalid", self._engine.queue_length)

    async def run(
        self,
        model: Model,
        feeds: Mapping[str, Array],
        started: float,
        finish: Callable[[Result, Source | None], Answer],
    ) -> Answer:
        """Run `model`, and make the answer of its result by `finish`.

        Args:
            model: to be run.
            feeds: its inputs.
            started: when the request was there, on the monotonic clock.
            finish: is told whose answer it is, too; raises what belongs to the outcome: values that cannot be sent
                are no good answer.

        Raises:
            RequestError: Unavailable, Unprocessable, or of `finish`.
        """
        queue = self._engine.queue_length
        try:
            result = self._engine.infer_now(model, feeds) or await self._engine.infer(model, feeds)
            best, source, waited = result, None, 0.0
            if (joint := self.joint) is not None and (scores := model.class_scores(result.outputs)) is not None:
                source = Source.EDGE
                if joint.unsure(model, model.confidence(scores)):
                    asked = time.monotonic()
                    if (other := await joint.ask(model, feeds, result)) is not None:
                        best, source = other, Source.CLOUD
                    waited = time.monotonic() - asked
            answer = finish(best, source)
        except RequestError as error:
            self._recorder.refused(model, _outcome(error), queue)
            raise
        if (trace := CURRENT.get()) is not None:
            trace.ran(started, result.began, result.ended)
            trace.attributes |= {"edgemodel.version": model.version, "edgemodel.digest": model.digest}
        seconds = time.monotonic() - started - waited
        self._recorder.answered(model, feeds, result.outputs, Answered(seconds, waited, queue, source))
        return answer


def _outcome(error: RequestError) -> str:
    if isinstance(error, Unprocessable):
        return "error"
    return "invalid" if isinstance(error, BadRequest) else "rejected"
