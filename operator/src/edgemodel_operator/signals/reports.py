"""From samples of metrics to reports of nodes and alerts (pure): the same for Prometheus and for a direct scrape."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from edgemodel import series
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Report

WANTED = (
    series.SERVING_INFO,
    series.WISH_REVISION,
    series.FAULT_ACTIVE,
    series.REFUSED_INFO,
    series.FETCH_PENDING,
    series.ANSWERED_SINCE_SWITCH,
    series.SAMPLES_PUSHED,
)
"""The series that a report is made of."""

FAULT_LIMIT = 52
"""Longest name of a fault rule."""
WORD_LIMIT = 128
"""Longest word that is kept of what a pod says."""

ALERTS = "ALERTS"
"""Prometheus' own series of pending and firing alerts."""


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


def firing(samples: Iterable[Sample], now: datetime) -> dict[Key, tuple[Alert, ...]]:
    """Alerts that Prometheus says are firing and that name an EdgeModel and a fault."""
    found: dict[Key, list[Alert]] = {}
    for sample in samples:
        key, fault = key_of(sample.labels), fault_of(sample.labels)
        if sample.name == ALERTS and sample.labels.get("alertstate") == "firing" and key is not None and fault:
            node = sample.labels.get("node", "")
            found.setdefault(key, []).append(Alert(fault=fault, node=node, since=now, source="Prometheus"))
    return {key: tuple(sorted(alerts, key=lambda a: (a.fault, a.node))) for key, alerts in found.items()}


def _report(node: str, samples: Iterable[Sample], at: datetime) -> Report:
    faults: dict[str, bool] = {}
    refused: dict[str, str] = {}
    pending: dict[str, str] = {}
    serving: Mapping[str, str] = {}
    numbers: dict[str, float] = {}
    for sample in samples:
        match sample.name:
            case series.FAULT_ACTIVE if fault := fault_of(sample.labels):
                faults[fault] = sample.value > 0
            case series.REFUSED_INFO:
                refused[sample.labels.get("digest", "")] = sample.labels.get("reason", "")[:WORD_LIMIT]
            case series.FETCH_PENDING:
                pending[sample.labels.get("digest", "")] = sample.labels.get("reason", "")[:WORD_LIMIT]
            case series.SERVING_INFO:
                serving = {name: value[:WORD_LIMIT] for name, value in sample.labels.items()}
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
        samples=int(numbers.get(series.SAMPLES_PUSHED, 0)),
    )
