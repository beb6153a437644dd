"""From samples of metrics to reports of nodes and alerts (pure): the same for Prometheus and for a direct scrape."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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

_NUMBERS = (
    series.WISH_REVISION,
    series.ANSWERED_SINCE_SWITCH,
    series.TALLY_BEGAN,
    series.TALLY_ANSWERED,
    series.CLOUD_BREAKER,
    series.HEALS_LAST_HOUR,
    series.SAMPLES_PUSHED,
)
"""Series of which a pod has one. Of what is counted of a version that is the one of the version that serves."""

SOURCE = ("job", "instance", "pod")
"""Labels that tell the pods of one node apart: an update may start the new one before the old one has ended. Prometheus
adds them; our own scrape adds `instance`."""
_NODE = ("namespace", "edgemodel", "node")
_POD = (*_NODE, *SOURCE)

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
    at: datetime | None = None
    """When its pod said so, where that is known better than by when all have been asked."""


_Told = defaultdict[str, list[Sample]]
"""What one pod said, by the name of the series."""


def key_of(labels: Mapping[str, str]) -> Key | None:
    """The EdgeModel that a series or an alert speaks of."""
    namespace, name = labels.get("namespace"), labels.get("edgemodel")
    return Key(namespace, name) if namespace and name else None


def fault_of(labels: Mapping[str, str]) -> str:
    """The fault that a series or an alert speaks of; empty where it is none that a rule could have."""
    fault = labels.get("fault", "")
    return fault if len(fault) <= FAULT_LIMIT else ""


def assemble(samples: Iterable[Sample], at: datetime) -> dict[Key, dict[str, Report]]:
    """Reports by EdgeModel and node. NaN and infinite values are no samples; words are cut to what a status holds.

    A report is what one pod said. Where two speak for a node it is the one that serves, of two that do the newer one.
    """
    by_pod: dict[tuple[str, ...], _Told] = {}
    for sample in samples:
        pod = tuple([sample.labels.get(name, "") for name in _POD])
        if all(pod[: len(_NODE)]) and sample.name in WANTED and math.isfinite(sample.value):
            if pod not in by_pod:
                by_pod[pod] = defaultdict(list)
            by_pod[pod][sample.name].append(sample)
    by_node: dict[tuple[str, ...], list[tuple[tuple[str, ...], _Told]]] = {}
    for pod, told in by_pod.items():
        by_node.setdefault(pod[: len(_NODE)], []).append((pod, told))
    found: dict[Key, dict[str, Report]] = {}
    for (namespace, name, node), pods in by_node.items():
        found.setdefault(Key(namespace, name), {})[node] = _report(node, max(pods, key=_standing)[1], at)
    return found


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


def _judged(sample: Sample, now: datetime) -> Iterator[tuple[Judged, datetime]]:
    """What a node did about a fault, how that ended and when; nothing where it is no word, or has not come yet.

    So a node whose clock is ahead is heard later, and what is known of others never lies in the future.
    """
    fault, action, verdict = fault_of(sample.labels), sample.labels.get("action"), sample.labels.get("verdict")
    if fault and action in NODE_ACTIONS and verdict in set(Verdict) and 0 < sample.value <= now.timestamp():
        yield (fault, ActionType(action), Verdict(verdict)), datetime.fromtimestamp(int(sample.value), UTC)


def _standing(pod: tuple[tuple[str, ...], _Told]) -> tuple[bool, float, tuple[str, ...]]:
    """How good a claim a pod has to speak for its node: it serves, and what it serves became active later."""
    labels, told = pod
    serving = _serving(told)
    return bool(serving), _began(told).get(serving.get("version", ""), 0.0), labels


def _serving(told: _Told) -> Mapping[str, str]:
    """What a pod serves; where it is told beside what served before, what became active last."""
    began = _began(told)
    return max(
        (sample.labels for sample in told[series.SERVING_INFO]),
        key=lambda labels: (began.get(labels.get("version", ""), 0.0), sorted(labels.items())),
        default={},
    )


def _began(told: _Told) -> dict[str, float]:
    """When versions became active, by the node's clock."""
    return {sample.labels.get("version", ""): sample.value for sample in told[series.TALLY_BEGAN]}


def _report(node: str, told: _Told, at: datetime) -> Report:
    serving = _serving(told)
    version = serving.get("version")
    at = next((sample.at for samples in told.values() for sample in samples if sample.at is not None), at)
    numbers = {s.name: s.value for name in _NUMBERS for s in told[name] if s.labels.get("version", version) == version}
    sums = {
        (sample.labels.get("of", ""), sample.labels.get("part", "")): sample.value
        for sample in told[series.TALLY]
        if sample.labels.get("version") == version
    }
    revision = numbers.get(series.WISH_REVISION)
    return Report(
        node=node,
        at=at,
        version=_word(version),
        digest=_word(serving.get("digest")),
        reason=_word(serving.get("reason")),
        wish_revision=None if revision is None else int(revision),
        faults={fault: sample.value > 0 for sample in told[series.FAULT_ACTIVE] if (fault := fault_of(sample.labels))},
        refused=_reasons(told[series.REFUSED_INFO]),
        pending=_reasons(told[series.FETCH_PENDING]),
        answered=int(numbers.get(series.ANSWERED_SINCE_SWITCH, 0)),
        tally=tally.read(numbers.get(series.TALLY_BEGAN), numbers.get(series.TALLY_ANSWERED, 0), sums),
        cloud_fails=numbers.get(series.CLOUD_BREAKER, 0) > 0,
        heals_last_hour=int(numbers.get(series.HEALS_LAST_HOUR, 0)),
        judged={what: moment for sample in told[series.HEAL_JUDGED] for what, moment in _judged(sample, at)},
        held={fault: _reason(sample) for sample in told[series.LADDER_HELD] if (fault := fault_of(sample.labels))},
        samples=int(numbers.get(series.SAMPLES_PUSHED, 0)),
    )


def _reasons(samples: Iterable[Sample]) -> dict[str, str]:
    return {sample.labels.get("digest", ""): _reason(sample) for sample in samples}


def _reason(sample: Sample) -> str:
    return sample.labels.get("reason", "")[:WORD_LIMIT]


def _word(text: str | None) -> str | None:
    return None if text is None else text[:WORD_LIMIT]
