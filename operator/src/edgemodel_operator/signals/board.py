"""The latest signals of the whole fleet, and which EdgeModels they concern when they change."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Report
from edgemodel_operator.signals.reports import Sample, assemble, firing

FRESH_INTERVALS = 3
"""A report older than this many signal intervals is absent."""


class Board:
    """Holds reports and alerts between two reads. A failed read leaves the old ones to grow stale."""

    def __init__(self, interval: float) -> None:
        self._lifetime = timedelta(seconds=FRESH_INTERVALS * interval)
        self._reports: dict[Key, dict[str, Report]] = {}
        self._firing: dict[Key, tuple[Alert, ...]] = {}
        self._rung: dict[Key, dict[str, tuple[Alert, datetime]]] = {}
        self._answered: datetime | None = None

    def take(self, samples: Iterable[Sample], now: datetime) -> set[Key]:
        """Replace what is known by `samples`; the EdgeModels for which something changed."""
        found = list(samples)
        reports, alerts = assemble(found, now), firing(found, now)
        keys = reports.keys() | alerts.keys() | self._reports.keys() | self._firing.keys()
        changed = {
            key
            for key in keys
            if _essence(reports.get(key)) != _essence(self._reports.get(key))
            or _names(alerts.get(key)) != _names(self._firing.get(key))
        }
        self._reports, self._firing, self._answered = reports, alerts, now
        return changed

    def ring(self, key: Key, fingerprint: str, alert: Alert, expires: datetime) -> None:
        """Remember an alert that came by the webhook until it is resolved or expires."""
        self._rung.setdefault(key, {})[fingerprint] = (alert, expires)

    def resolve(self, key: Key, fingerprint: str) -> None:
        """An alert that came by the webhook is over."""
        self._rung.get(key, {}).pop(fingerprint, None)

    def forget(self, key: Key) -> None:
        """The EdgeModel is gone."""
        for table in (self._reports, self._firing, self._rung):
            table.pop(key, None)

    def telemetry(self, now: datetime) -> bool | None:
        """Whether the source answered lately; None before its first answer."""
        return None if self._answered is None else now - self._answered <= self._lifetime

    def reports(self, key: Key, now: datetime) -> Mapping[str, Report]:
        """Fresh reports by node."""
        known = self._reports.get(key, {})
        return {node: report for node, report in known.items() if now - report.at <= self._lifetime}

    def alerts(self, key: Key, now: datetime) -> tuple[Alert, ...]:
        """Alerts that are firing now."""
        rung = self._rung.get(key, {})
        for fingerprint in [f for f, (_, expires) in rung.items() if expires <= now]:
            del rung[fingerprint]
        fresh = self._firing.get(key, ()) if self.telemetry(now) else ()
        return fresh + tuple(alert for alert, _ in rung.values())


def _essence(reports: Mapping[str, Report] | None) -> dict[str, Report]:
    moment = datetime.min.replace(tzinfo=UTC)
    return {node: replace(report, at=moment) for node, report in (reports or {}).items()}


def _names(alerts: tuple[Alert, ...] | None) -> set[tuple[str, str]]:
    return {(alert.fault, alert.node) for alert in alerts or ()}
