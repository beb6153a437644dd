"""One inference on behalf of a caller: run it, and write down how it went."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from edgemodel_inference.engine import Engine
from edgemodel_inference.errors import BadRequest, RequestError, Unavailable, Unprocessable
from edgemodel_inference.models import Array, Model
from edgemodel_inference.runner import Result
from edgemodel_inference.traces import CURRENT

Answer = TypeVar("Answer")


class Recorder(Protocol):
    """Takes note of requests; called on the event loop, so it has to be quick."""

    def answered(self, model: Model, feeds: Mapping[str, Array], result: Result, seconds: float, queue: int) -> None:
        """Answered well after `seconds`, while `queue` requests waited."""

    def refused(self, model: Model | None, outcome: str, queue: int) -> None:
        """Not answered: ``invalid`` (the caller's fault), ``rejected`` (no room or time), ``error`` (the model's)."""


class Inference:
    """What the routes for machines and the routes for people have in common."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self._engine = engine
        self._recorder = recorder

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
        self, model: Model, feeds: Mapping[str, Array], started: float, finish: Callable[[Result], Answer]
    ) -> Answer:
        """Run `model`, and make the answer of its result by `finish`.

        Args:
            model: to be run.
            feeds: its inputs.
            started: when the request was there, on the monotonic clock.
            finish: raises what belongs to the outcome: values that cannot be sent are no good answer.

        Raises:
            RequestError: Unavailable, Unprocessable, or of `finish`.
        """
        queue = self._engine.queue_length
        try:
            result = await self._engine.infer(model, feeds)
            answer = finish(result)
        except RequestError as error:
            self._recorder.refused(model, _outcome(error), queue)
            raise
        if (trace := CURRENT.get()) is not None:
            trace.ran(started, result.began, result.ended)
            trace.attributes |= {"edgemodel.version": model.version, "edgemodel.digest": model.digest}
        self._recorder.answered(model, feeds, result, time.monotonic() - started, queue)
        return answer


def _outcome(error: RequestError) -> str:
    if isinstance(error, Unprocessable):
        return "error"
    return "invalid" if isinstance(error, BadRequest) else "rejected"
