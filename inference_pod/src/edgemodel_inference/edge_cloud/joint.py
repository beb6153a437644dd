"""Joint inference: an answer that the edge's own model is unsure of is asked for in the cloud.

Whatever goes wrong there, the edge's answer goes out, no later than the time that the wish allows. See
docs/decisions/0010-joint-inference.md.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Mapping

from edgemodel.bundle import Tensor
from edgemodel.cloud import Adaptive, Cloud, CloudOutcome
from edgemodel_inference import logs
from edgemodel_inference.edge_cloud.breaker import Breaker, State
from edgemodel_inference.edge_cloud.budget import Budget
from edgemodel_inference.edge_cloud.cloud import CloudModel
from edgemodel_inference.errors import CloudFault
from edgemodel_inference.model.models import Array, Model
from edgemodel_inference.model.runner import Result
from edgemodel_inference.v2.datatypes import NAMES

MOST_AT_ONCE = 16
"""Requests that may wait for the cloud; with more, answers of the edge go out at once."""
FIRST_PAUSE = 0.02
"""Seconds, at most, before the first retry; twice as many before each next one."""
LEAST, MOST = 0.1, 0.95
"""Bounds of a threshold that adapts."""

log = logs.Log("edgemodel.joint")


class Threshold:
    """Below which confidence an answer is unsure. Event loop only."""

    def __init__(self, settings: Cloud) -> None:
        self.value = self._fixed = settings.threshold
        self._adaptive: Adaptive | None = settings.adaptive
        self._recent: deque[float] = deque(maxlen=self._adaptive.window if self._adaptive is not None else 0)
        self._sum = 0.0
        self._digest = ""

    def exceeds(self, confidence: float, digest: str) -> bool:
        """Whether `confidence`, of the version `digest`, is below it; then takes note of it."""
        if self._adaptive is None:
            return confidence < self.value
        if digest != self._digest:  # confidences of two versions cannot be compared
            self._digest, self.value, self._sum = digest, self._fixed, 0.0
            self._recent.clear()
        unsure = confidence < self.value
        self._note(confidence, self._adaptive)
        return unsure

    def _note(self, confidence: float, adaptive: Adaptive) -> None:
        recent = self._recent
        if len(recent) == adaptive.window:
            self._sum -= recent[0]
        recent.append(confidence)
        self._sum += confidence
        if len(recent) == adaptive.window:
            self.value = min(MOST, max(LEAST, adaptive.factor * self._sum / adaptive.window))


class Joint:
    """What one setting of the wish asks for. `outcomes` and `budget` outlive it. Event loop only, but `close`."""

    def __init__(self, settings: Cloud, outcomes: "Counter[CloudOutcome]", budget: Budget) -> None:
        self.settings = settings
        self.breaker = Breaker()
        self.problem: str | None = None
        """Why the cloud did not answer last; None: it did."""
        self.threshold = Threshold(settings)
        self._cloud = CloudModel(settings)
        self._outcomes, self._budget = outcomes, budget
        self._asked = 0

    def close(self) -> None:
        """It is not asked any more."""
        self._cloud.close()

    def unsure(self, model: Model, confidence: Array) -> bool:
        """Whether the cloud is to be asked: by the row of which the edge is least sure."""
        lowest = confidence[0] if len(confidence) == 1 else confidence.min()
        return self.threshold.exceeds(float(lowest), model.digest)

    async def ask(self, model: Model, feeds: Mapping[str, Array], result: Result) -> Result | None:
        """The cloud's answer in place of `result`, in the same shapes and datatypes; None: there is none."""
        now = time.monotonic()
        if self._asked >= MOST_AT_ONCE:
            self._outcomes[CloudOutcome.BUSY] += 1
            return None
        if not self.breaker.admit(now):
            self._outcomes[CloudOutcome.BREAKER] += 1
            return None
        self._asked += 1
        try:
            async with asyncio.timeout(self.settings.timeout):
                outputs = await self._try_often(feeds, _tensors(model, result))
        except CloudFault as fault:
            self._note(fault)
            return None
        except TimeoutError:
            self._note(CloudFault(CloudOutcome.TIMEOUT, f"no answer within {self.settings.timeout:g} s"))
            return None
        finally:
            self._asked -= 1
            self.breaker.abandon()  # changes nothing where success or failure was noted
        self._worked()
        return result._replace(outputs=outputs)

    async def _try_often(self, feeds: Mapping[str, Array], expected: list[Tensor]) -> list[Array]:
        for attempt in range(self.settings.retries + 1):
            if not await self._budget.take():
                raise CloudFault(CloudOutcome.BUDGET, f"{self.settings.daily_budget} requests were sent in 24 hours")
            try:
                return await self._cloud.infer(feeds, expected)
            except CloudFault as fault:
                if not fault.transient or attempt == self.settings.retries:
                    raise
            await asyncio.sleep(random.uniform(0.0, FIRST_PAUSE * 2.0**attempt))  # noqa: S311 (no secret)
        raise AssertionError("the last attempt returns or raises")

    def _note(self, fault: CloudFault) -> None:
        self._outcomes[fault.outcome] += 1
        self.problem = f"{fault.outcome}: {fault}"
        if fault.outcome is CloudOutcome.BUDGET:  # says nothing about the cloud
            return
        was = self.breaker.state
        self.breaker.fail(time.monotonic())
        if self.breaker.state is State.OPEN and was is State.CLOSED:
            log.warning("the cloud fails; it is asked again from time to time", url=self.settings.url, why=self.problem)

    def _worked(self) -> None:
        if self.breaker.state is not State.CLOSED:
            log.info("the cloud answers again", url=self.settings.url)
        self.breaker.succeed()
        self._outcomes[CloudOutcome.ANSWERED] += 1
        self.problem = None


def _tensors(model: Model, result: Result) -> list[Tensor]:
    """What the edge's answer is like, and so the cloud's has to be."""
    return [
        Tensor(name=name, datatype=NAMES[array.dtype], shape=array.shape)
        for name, array in zip(model.output_names, result.outputs, strict=True)
    ]
