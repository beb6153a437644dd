"""From samples of metrics to reports of nodes and alerts (pure): the same for Prometheus and for a direct scrape."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from edgemodel import series, tally
from edgemodel.ladder import NODE_ACTIONS, ActionType, Verdict
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Judged, Report, Training

WANTED = (
    series.SERVING_INFO,
    series.WISH_REVISION,
    series.FAULT_ACTIVE,
    series.REFUSED_INFO,
    series.FETCH_PENDING,
    series.ANSWERED_SINCE_SWITCH,
    series.SAMPLES_PUSHED,
    series.TALLY,
    series.TALLY_ANSWERED,
    series.TALLY_BEGAN,
    series.HEALS_LAST_HOUR,
    series.HEAL_JUDGED,
    series.LADDER_HELD,
    series.CLOUD_BREAKER,
)
"""The series that a report is made of."""

TRAINING = (series.TRAINING_EPOCH, series.TRAINING_PERCENT)
"""The series that tell how far a distillation Job is."""

_MOST_EPOCHS = 10_000

FAULT_LIMIT = 52
"""Longest name of a fault rule."""
WORD_LIMIT = 128
"""Longest word that is kept of what a pod says."""

ALERTS = "ALERTS"
"""Prometheus' own series of pending and firing alerts."""
ALERTS_SINCE = "ALERTS_FOR_STATE"
"""Its companion: the same labels but alertstate; its value is when the alert became active, in seconds."""
_FAR_FUTURE = 1e11
"""Seconds, some 3,000 years: what is beyond is no moment."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


def key_of(labels: Mapping[str, str]) -> Key | None:
    """The EdgeModel that a series or an alert speaks of."""
    namespace, name = labels.get("namespace"), labels.get("edgemodel")
    return Key(namespace, name) if namespace and name else None


def fault_of(labels: Mapping[str, str]) -> str:
    """The fault that a series or an alert speaks of; empty where it is none that a rule could have."""
    fault = labels.get("fault", "")
    return fault if len(fault) <= FAULT_LIMIT else ""


def assemble(samples: Iterable[Sample], at: datetime) -> dict[Key, dict[str, Report]]:
    """Reports by EdgeModel and node. NaN and infinite values are no samples; words are cut to what a status holds."""
    grouped: dict[Key, dict[str, list[Sample]]] = {}
    for sample in samples:
        key, node = key_of(sample.labels), sample.labels.get("node")
        if key is not None and node and sample.name in WANTED and math.isfinite(sample.value):
            grouped.setdefault(key, {}).setdefault(node, []).append(sample)
    return {key: {node: _report(node, found, at) for node, found in nodes.items()} for key, nodes in grouped.items()}


def trainings(samples: Iterable[Sample]) -> dict[Key, Training]:
    """How far the distillation Jobs are; figures that cannot be are none."""
    found: dict[Key, dict[str, dict[str, float]]] = {}
    for sample in samples:
        key, candidate = key_of(sample.labels), sample.labels.get("candidate", "")
        if sample.name in TRAINING and key is not None and 0 <= sample.value <= _MOST_EPOCHS:
            found.setdefault(key, {}).setdefault(candidate, {})[sample.name] = sample.value
    latest = {key: max(candidates.items()) for key, candidates in found.items()}
    return {
        key: Training(
            candidate=candidate,
            epoch=int(figures.get(series.TRAINING_EPOCH, 0)),
            percent=min(100, int(figures.get(series.TRAINING_PERCENT, 0))),
        )
        for key, (candidate, figures) in latest.items()
    }


def firing(samples: Iterable[Sample]) -> dict[Key, tuple[Alert, ...]]:
    """Alerts that Prometheus says are firing and that name an EdgeModel and a fault.

    One whose beginning is not told counts as the oldest there can be: an action was taken about it already, if any.
    """
    samples = list(samples)
    since = {_alert_labels(sample): sample.value for sample in samples if sample.name == ALERTS_SINCE}
    found: dict[Key, list[Alert]] = {}
    for sample in samples:
        key, fault = key_of(sample.labels), fault_of(sample.labels)
        if sample.name == ALERTS and sample.labels.get("alertstate") == "firing" and key is not None and fault:
            start = _moment(since.get(_alert_labels(sample), 0.0))
            alert = Alert(fault=fault, node=sample.labels.get("node", ""), since=start, source="Prometheus")
            found.setdefault(key, []).append(alert)
    return {key: tuple(sorted(alerts, key=lambda a: (a.fault, a.node))) for key, alerts in found.items()}


def _alert_labels(sample: Sample) -> frozenset[tuple[str, str]]:
    return frozenset(label for label in sample.labels.items() if label[0] != "alertstate")


def _moment(seconds: float) -> datetime:
    """A moment of Prometheus' clock; the oldest there can be where it is none."""
    return datetime.fromtimestamp(seconds if 0 < seconds < _FAR_FUTURE else 0.0, UTC)


def _judged(sample: Sample, now: datetime) -> Judged | None:
    """What a node did about a fault and how that ended; None where it is no word, or no moment that has come yet.

    So a node whose clock is ahead is heard later, and what is known of others never lies in the future.
    """
    fault, action, verdict = fault_of(sample.labels), sample.labels.get("action"), sample.labels.get("verdict")
    if not (fault and action in NODE_ACTIONS and verdict in set(Verdict) and 0 < sample.value <= now.timestamp()):
        return None
    return fault, ActionType(action), Verdict(verdict)


def _report(node: str, samples: Iterable[Sample], at: datetime) -> Report:
    faults: dict[str, bool] = {}
    refused: dict[str, str] = {}
    pending: dict[str, str] = {}
    judged: dict[Judged, datetime] = {}
    held: dict[str, str] = {}
    serving: Mapping[str, str] = {}
    numbers: dict[str, float] = {}
    sums: dict[tuple[str, str], float] = {}
    for sample in samples:
        match sample.name:
            case series.FAULT_ACTIVE if fault := fault_of(sample.labels):
                faults[fault] = sample.value > 0
            case series.REFUSED_INFO:
                refused[sample.labels.get("digest", "")] = sample.labels.get("reason", "")[:WORD_LIMIT]
            case series.FETCH_PENDING:
                pending[sample.labels.get("digest", "")] = sample.labels.get("reason", "")[:WORD_LIMIT]
            case series.HEAL_JUDGED:
                if (what := _judged(sample, at)) is not None:
                    judged[what] = datetime.fromtimestamp(int(sample.value), UTC)
            case series.LADDER_HELD if fault := fault_of(sample.labels):
                held[fault] = sample.labels.get("reason", "")[:WORD_LIMIT]
            case series.SERVING_INFO:
                serving = {name: value[:WORD_LIMIT] for name, value in sample.labels.items()}
            case series.TALLY:
                sums[sample.labels.get("of", ""), sample.labels.get("part", "")] = sample.value
            case name:
                numbers[name] = numbers.get(name, 0.0) + sample.value
    revision = numbers.get(series.WISH_REVISION)
    return Report(
        node=node,
        at=at,
        version=serving.get("version"),
        digest=serving.get("digest"),
        reason=serving.get("reason"),
        wish_revision=None if revision is None else int(revision),
        faults=faults,
        refused=refused,
        pending=pending,
        answered=int(numbers.get(series.ANSWERED_SINCE_SWITCH, 0)),
        tally=tally.read(numbers.get(series.TALLY_BEGAN), numbers.get(series.TALLY_ANSWERED, 0), sums),
        cloud_fails=numbers.get(series.CLOUD_BREAKER, 0) > 0,
        heals_last_hour=int(numbers.get(series.HEALS_LAST_HOUR, 0)),
        judged=judged,
        held=held,
        samples=int(numbers.get(series.SAMPLES_PUSHED, 0)),
    )
