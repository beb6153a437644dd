"""Whether a version does worse than the one it replaces: nodes that have it beside nodes that do not, over one time.

Nodes differ more than versions do: in their processors, in what their cameras see. So each node is compared with what
it was like itself before (its baseline), and what changed on the nodes with the old version in the same time is taken
off (difference in differences). `edgemodel.sequential` gives the interval; a version is worse when the whole interval
lies beyond what spec.rollout.judge allows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from edgemodel import tally
from edgemodel.sequential import Cell, Interval, contrast
from edgemodel.tally import Measure, Tally
from edgemodel_operator.api.delivery import Judge
from edgemodel_operator.api.states import Regression
from edgemodel_operator.api.status_rollout import COHORT, ComparisonStatus, Estimate, RolloutStatus
from edgemodel_operator.decide.wave import heard, reached
from edgemodel_operator.model.observation import Observation, Report

FALSE_ALARMS = 0.01
"""At most this share of steps with a version that is as good as the old one is taken back by chance."""
NOISE: Mapping[Measure, float] = {Measure.LATENCY: 0.1, Measure.CONFIDENCE: 0.02, Measure.ERRORS: 0.02}
"""The least that intervals of one node differ by; a tenth of a latency."""
SHOWN_EVERY = timedelta(seconds=10)
"""A comparison changes with every request; the status follows no faster than this."""
FEWEST = 2
"""Intervals of a node before it counts: one has no variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both sides, and how they differ by each measure that both have."""

    canaries: Mapping[str, Tally]
    """By node: what the new version did."""
    controls: Mapping[str, Tally]
    """By node: what the old version did since the step began."""
    differences: Mapping[Measure, Interval]

    def enough(self, min_samples: int) -> bool:
        """Whether both sides answered enough requests to be judged."""
        return all(_answered(side) >= min_samples for side in (self.canaries, self.controls))


def baselines(observation: Observation, rollout: RolloutStatus, old: str | None) -> dict[str, str]:
    """What nodes that serve the digest `old` have counted now, and those that left it when a step last began."""
    known = dict(rollout.baselines or {})
    for node in observation.reachable:
        report = observation.reports[node]
        if report.digest == old and report.tally is not None:
            known[node] = report.tally.dump()
    told = reached(observation, rollout)
    others = set(observation.reachable) - told
    canaries, controls = ([node for node in sorted(known) if node in side][:COHORT] for side in (told, others))
    return {node: known[node] for node in (*canaries, *controls)}


def compare(observation: Observation, rollout: RolloutStatus, new: str, old: str | None) -> Comparison | None:
    """The comparison of the digests `new` and `old` as of now; None while one side has nothing to show."""
    before = {node: found for node, text in (rollout.baselines or {}).items() if (found := tally.parse(text))}
    told, seen = reached(observation, rollout), heard(observation, before)
    canaries = _tallies({n: r for n, r in seen.items() if n in told}, new)
    controls = _tallies({n: r for n, r in seen.items() if n not in told}, old)
    controls = {node: found.since(before[node]) for node, found in controls.items()}
    if not canaries or not controls:
        return None
    differences = {}
    for measure in Measure:
        new_cells, old_cells = _cells(canaries, before, measure, 1), _cells(controls, before, measure, -1)
        if new_cells and old_cells:
            alpha = FALSE_ALARMS / len(Measure)
            differences[measure] = contrast([*new_cells, *old_cells], alpha, NOISE[measure])
    return Comparison(canaries=canaries, controls=controls, differences=differences)


def regression(comparison: Comparison, judge: Judge) -> Regression | None:
    """What is worse, beyond chance."""
    harms = _harms(comparison, judge)
    return next((word for word, (bound, harm) in harms.items() if harm.low > bound), None)


def unclear(comparison: Comparison, judge: Judge) -> bool:
    """Whether something looks worse and may be chance."""
    return any(harm.value > bound for bound, harm in _harms(comparison, judge).values())


def show(observation: Observation, comparison: Comparison) -> ComparisonStatus:
    """The comparison for people."""
    differences = comparison.differences
    return ComparisonStatus(
        at=observation.now,
        canary_nodes=len(comparison.canaries),
        control_nodes=len(comparison.controls),
        canary_requests=_answered(comparison.canaries),
        control_requests=_answered(comparison.controls),
        latency_ratio=_estimate(differences.get(Measure.LATENCY), ratio=True),
        confidence_difference=_estimate(differences.get(Measure.CONFIDENCE), ratio=False),
        error_difference=_estimate(differences.get(Measure.ERRORS), ratio=False),
    )


def refresh(
    observation: Observation, old: ComparisonStatus | None, comparison: Comparison | None
) -> tuple[ComparisonStatus | None, datetime | None]:
    """What the status is to show after `old`, and when to look again for newer figures, if there are any."""
    if comparison is None:
        return old, None
    new = show(observation, comparison)
    if old is None:
        return new, None
    if new.model_copy(update={"at": old.at}) == old:
        return old, None
    due = old.at + SHOWN_EVERY
    return (old, due) if observation.now < due else (new, None)


def describe(shown: ComparisonStatus) -> str:
    """The comparison in a few words."""
    figures = (
        ("latency {} × the old one's", shown.latency_ratio, "g"),
        ("confidence {}", shown.confidence_difference, "+g"),
        ("failed requests {}", shown.error_difference, "+g"),
    )
    parts = [text.format(_words(figure, form)) for text, figure, form in figures if figure is not None]
    return f"{', '.join(parts)}; {shown.canary_requests} and {shown.control_requests} requests compared"


def _tallies(reports: Mapping[str, Report], digest: str | None) -> dict[str, Tally]:
    return {n: r.tally for n, r in reports.items() if r.tally is not None and r.digest == digest}


def _cells(side: Mapping[str, Tally], before: Mapping[str, Tally], measure: Measure, sign: int) -> list[Cell]:
    """Each node's mean less its baseline's, weighted by how well both are known."""
    pairs = [(now.moments[measure], before[node].moments[measure]) for node, now in side.items()]
    pairs = [(now, then) for now, then in pairs if min(now.count, then.count) >= FEWEST]
    weights = [1 / (1 / now.count + 1 / then.count) for now, then in pairs]
    shares = [sign * weight / sum(weights) for weight in weights]
    return [
        cell
        for (now, then), share in zip(pairs, shares, strict=True)
        for cell in (Cell(share, now), Cell(-share, then))
    ]


def _harms(comparison: Comparison, judge: Judge) -> dict[Regression, tuple[float, Interval]]:
    """What is allowed, and how much worse the new version is, by what would be wrong with it."""
    if not comparison.enough(judge.min_samples):
        return {}
    found = comparison.differences
    harms = {}
    if Measure.LATENCY in found:
        harms[Regression.LATENCY] = (math.log(judge.max_latency_ratio), found[Measure.LATENCY])
    if Measure.CONFIDENCE in found:
        rise = found[Measure.CONFIDENCE]
        harms[Regression.CONFIDENCE] = (judge.max_confidence_drop, Interval(-rise.value, -rise.high, -rise.low))
    if Measure.ERRORS in found:
        harms[Regression.ERRORS] = (judge.max_error_increase, found[Measure.ERRORS])
    return harms


def _answered(side: Mapping[str, Tally]) -> int:
    return sum(found.answered for found in side.values())


def _estimate(interval: Interval | None, *, ratio: bool) -> Estimate | None:
    if interval is None:
        return None
    value, low, high = (_shown(number, ratio=ratio) for number in (interval.value, interval.low, interval.high))
    return None if value is None else Estimate(value=value, low=low, high=high)


def _shown(number: float, *, ratio: bool) -> float | None:
    """To three digits; nothing where there is no bound, or none that means anything."""
    if not math.isfinite(number):
        return None
    return float(f"{math.exp(max(min(number, 50.0), -50.0)) if ratio else number:.3g}")


def _words(figure: Estimate, form: str) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:{form}}"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"
