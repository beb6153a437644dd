"""Switches joint inference on and off as the wish says; what was counted and spent outlives each change."""

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from edgemodel.cloud import CloudOutcome
from edgemodel.wish import Wish
from edgemodel_inference.edge_cloud.breaker import State
from edgemodel_inference.edge_cloud.budget import Budget
from edgemodel_inference.model.inference import Inference
from edgemodel_inference.observing.metrics import CloudReadings

if TYPE_CHECKING:
    from edgemodel_inference.edge_cloud.joint import Joint


class CloudWish:
    """`follow` by one thread; the rest by any."""

    def __init__(self, inference: Inference, state: Path, boot: str) -> None:
        """`state`: the folder in which is written what was spent; `boot`: this boot of the machine."""
        self._inference = inference
        self._outcomes: Counter[CloudOutcome] = Counter()
        self._budget = Budget(state / "cloud-budget.json", boot)
        self._joint: Joint | None = None
        self._lock = threading.Lock()

    def follow(self, wish: Wish) -> None:
        """Make it as `wish` says."""
        settings = wish.cloud
        with self._lock:
            old = self._joint
            if settings == (old.settings if old is not None else None):
                return
            self._joint = None
            if settings is not None:
                # An HTTP client takes time and memory that a node without a cloud keeps.
                from edgemodel_inference.edge_cloud.joint import Joint  # noqa: PLC0415 (see above)

                self._budget.allow(settings.daily_budget)
                self._joint = Joint(settings, self._outcomes, self._budget)
            self._inference.joint = self._joint
            if old is not None:
                old.close()

    def readings(self) -> CloudReadings | None:
        """For the metrics; None: it is off."""
        joint = self._joint
        if joint is None:
            return None
        state = joint.breaker.state
        return CloudReadings(
            outcomes=dict(self._outcomes),
            breaker="" if state is State.CLOSED else state.value,
            budget_left=self._budget.left(),
        )

    def status(self) -> dict[str, object] | None:
        """For people; None: it is off."""
        joint = self._joint
        if joint is None:
            return None
        return {
            "url": joint.settings.url,
            "threshold": round(joint.threshold.value, 4),
            "breaker": joint.breaker.state.value,
            "budgetLeft": self._budget.left(),
            "outcomes": {outcome.value: count for outcome, count in sorted(self._outcomes.items())},
            "problem": joint.problem,
        }
