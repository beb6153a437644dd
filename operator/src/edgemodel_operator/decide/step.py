"""One step of a rollout, judged: an ordered chain of checks over its nodes; the first verdict wins and says why.

Nodes out of sight neither block a step nor vote in it. One bad node of several is the node's fault: it stays behind,
is named, and the others decide.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgemodel.codes import OF_NODE
from edgemodel.faults import Severity
from edgemodel_operator.api.delivery import Judge
from edgemodel_operator.api.states import RolloutWait, VersionState
from edgemodel_operator.api.status import VersionStatus
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.decide import compare
from edgemodel_operator.decide.compare import Comparison
from edgemodel_operator.decide.evidence import quorum, silence
from edgemodel_operator.model.observation import Observation, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step as the checks see it: the reports of its nodes in sight, but of those that cannot take the version."""

    rollout: RolloutStatus
    target: VersionStatus
    reports: tuple[Report, ...]
    hold: float
    judge: Judge
    comparison: Comparison | None
    complaints: Mapping[str, list[str]]
    """Nodes that tried the version, by the fault that they show with it or the code with which they refuse it."""
    drifting: frozenset[str]
    """Faults that the version before shows as well: the input's, not the version's."""
    observation: Observation

    @property
    def serving(self) -> tuple[Report, ...]:
        """Of the nodes that have the version."""
        return tuple(report for report in self.reports if report.digest == self.target.digest)

    @property
    def judged_at(self) -> datetime | None:
        """When its rules have a verdict of it, or could have fired; None: nodes of the step do not serve it yet."""
        since = self.rollout.held_since
        return None if since is None else since + timedelta(seconds=silence(self.observation, self.serving))

    @property
    def warnings(self) -> frozenset[str]:
        """Rules that are told, and neither hold up a rollout nor take one back."""
        rules = self.observation.model.spec.health.rules
        return frozenset(rule.name for rule in rules if rule.severity is Severity.WARNING)

    @property
    def awaited(self) -> tuple[Report, ...]:
        """Of the nodes that neither have the version nor refuse it."""
        digest = self.target.digest
        return tuple(report for report in self.reports if report.digest != digest and digest not in report.refused)


@dataclass(frozen=True, slots=True)
class Failed:
    """The version failed: for a rule's fault, for the code with which nodes refuse it, or by comparison."""

    reason: str
    state: VersionState
    evidence: str
    fault: str | None = None
    """What a heal is recorded for; None: the artifact itself was refused."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not yet; `held`: all nodes of the step serve the version."""

    reason: RolloutWait
    held: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """The step was good."""


Outcome = Failed | Waiting | Passed


def _blamed(view: StepView) -> Outcome | None:
    """Enough of the nodes that tried the version complain, of whatever: a new version has no good name to lose."""
    counted = {why: nodes for why, nodes in _grave(view).items() if nodes}
    complaining = {node for nodes in counted.values() for node in nodes}
    tried = len(view.reports) - len(view.awaited)
    if not complaining or len(complaining) < quorum(tried, len(view.reports)):
        return None
    reason, nodes = min(counted.items(), key=lambda item: (-len(item[1]), item[0]))
    rule = view.observation.model.spec.health.rule(reason)
    state = VersionState.REJECTED if rule is None else VersionState.QUARANTINED
    evidence = f"{reason} on {', '.join(nodes)} while {view.target.name} was rolled out"
    return Failed(reason, state, evidence, None if rule is None else rule.name)


def _grave(view: StepView) -> dict[str, list[str]]:
    """Complaints but warnings, what the version before shows as well, and what a node says of itself."""
    left_out = view.warnings | view.drifting | OF_NODE
    return {why: nodes for why, nodes in view.complaints.items() if why not in left_out}


def _worse(view: StepView) -> Outcome | None:
    """It does worse than the version before did in the same time, beyond chance and what the user allows."""
    word = None if view.comparison is None else compare.regression(view.comparison, view.judge)
    if view.comparison is None or word is None:
        return None
    evidence = compare.describe(compare.show(view.observation, view.comparison))
    return Failed(word.value, VersionState.QUARANTINED, f"{view.target.name}: {evidence}", word.value)


def _unseen(view: StepView) -> Outcome | None:
    """No node of the step is in sight."""
    return None if view.reports else Waiting(RolloutWait.NODES)


def _not_there(view: StepView) -> Outcome | None:
    """A node of the step has not got it yet."""
    return Waiting(RolloutWait.NODES) if view.awaited or not view.serving else None


def _holding(view: StepView) -> Outcome | None:
    """The step's hold is not over."""
    since = view.rollout.held_since
    if since is None or (view.observation.now - since).total_seconds() < view.hold:
        return Waiting(RolloutWait.HOLD, held=True)
    return None


def _unproved(view: StepView) -> Outcome | None:
    """Too few requests were answered, or the fault that it is to heal has no verdict of being gone."""
    if sum(report.answered for report in view.serving) < view.judge.min_samples:
        return Waiting(RolloutWait.EVIDENCE, held=True)
    fault = view.rollout.fault
    if fault is not None and any(report.faults.get(fault) is not False for report in view.serving):
        return Waiting(RolloutWait.EVIDENCE, held=True)
    return None


def _unjudged(view: StepView) -> Outcome | None:
    """A rule has no verdict of it yet, and could still fire."""
    judged_at = view.judged_at
    waits = judged_at is not None and view.observation.now < judged_at
    return Waiting(RolloutWait.EVIDENCE, held=True) if waits else None


def _drifting(view: StepView) -> Outcome | None:
    """It shows a fault that the version before shows as well."""
    return Waiting(RolloutWait.INPUT, held=True) if view.drifting - view.warnings else None


def _unclear(view: StepView) -> Outcome | None:
    """It looks worse than the version before, and that may be chance."""
    if view.comparison is not None and compare.unclear(view.comparison, view.judge):
        return Waiting(RolloutWait.COMPARISON, held=True)
    return None


CHECKS: tuple[Callable[[StepView], Outcome | None], ...] = (
    _blamed,
    _worse,
    _unseen,
    _not_there,
    _holding,
    _unproved,
    _unjudged,
    _drifting,
    _unclear,
)


def judge(view: StepView) -> Outcome:
    """What the step's nodes say: the first check that has a verdict, else it passed."""
    verdicts = (check(view) for check in CHECKS)
    return next((verdict for verdict in verdicts if verdict is not None), Passed())
