"""The latest signals of the whole fleet, and which EdgeModels they concern when they change."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Alert, Notice, Report, Training
from edgemodel_operator.signals.inbox import Inbox
from edgemodel_operator.signals.reports import Sample, assemble, firing, trainings

FRESH_INTERVALS = 3
"""A report older than this many signal intervals is absent."""
FIRST_LOOK = timedelta(seconds=10)
"""How long an operator that starts waits for a first answer before it decides without one.

Nothing is known of any node until then, and a status that says so would deny what was true a moment ago.
"""


class Board:
    """Holds reports and alerts between two reads. A failed read leaves the old ones to grow stale."""

    def __init__(self, interval: float, *, alerts: bool = False) -> None:
        """`alerts`: the samples say which alerts fire, as Prometheus' do."""
        self._lifetime = timedelta(seconds=FRESH_INTERVALS * interval)
        self._has_alerts = alerts
        self._reports: dict[Key, dict[str, Report]] = {}
        self._firing: dict[Key, tuple[Alert, ...]] = {}
        self._trainings: dict[Key, Training] = {}
        self._began: datetime | None = None
        self._answered: datetime | None = None
        self.inbox = Inbox()
        """What the webhook brought and no status has yet."""

    def begin(self, now: datetime) -> None:
        """Whom to ask is known now."""
        self._began = now

    def patience(self, now: datetime) -> float:
        """Seconds for which a first answer is still waited for; 0: it has come, or takes too long."""
        if self._answered is not None:
            return 0.0
        waited = timedelta() if self._began is None else now - self._began
        return max((FIRST_LOOK - waited).total_seconds(), 0.0)

    def take(self, samples: Iterable[Sample], now: datetime) -> set[Key]:
        """Replace what is known by `samples`; the EdgeModels for which something changed."""
        found = list(samples)
        reports, alerts = assemble(found, now), firing(found)
        training = trainings(found)
        keys = reports.keys() | alerts.keys() | training.keys() | self._reports.keys() | self._firing.keys()
        changed = {
            key
            for key in keys
            if _essence(reports.get(key)) != _essence(self._reports.get(key))
            or _names(alerts.get(key)) != _names(self._firing.get(key))
            or (key in training and training[key] != self._trainings.get(key))
        }
        self._reports, self._firing, self._trainings, self._answered = reports, alerts, training, now
        return changed

    def forget(self, key: Key) -> None:
        """The EdgeModel is gone."""
        for table in (self._reports, self._firing, self._trainings):
            table.pop(key, None)

    def telemetry(self, now: datetime) -> bool:
        """Whether the source answered lately."""
        return self._answered is not None and self._is_fresh(self._answered, now)

    def reports(self, key: Key, now: datetime) -> Mapping[str, Report]:
        """Fresh reports by node."""
        known = self._reports.get(key, {})
        return {node: report for node, report in known.items() if self._is_fresh(report.at, now)}

    def _is_fresh(self, at: datetime, now: datetime) -> bool:
        """Not what lies far ahead either: after a clock was set back it would count for as long as that was."""
        return abs(now - at) <= self._lifetime

    def training(self, key: Key) -> Training | None:
        """How far the distillation Job said that it is."""
        return self._trainings.get(key)

    def notices(self, key: Key) -> tuple[Notice, ...]:
        """What the webhook brought and no status has yet, oldest first."""
        return self.inbox.notices(key)

    def alerts(self, key: Key, now: datetime) -> tuple[Alert, ...] | None:
        """Alerts that are firing now; None where the samples say nothing of alerts."""
        if not self._has_alerts:
            return None
        return self._firing.get(key, ()) if self.telemetry(now) else ()


def _essence(reports: Mapping[str, Report] | None) -> dict[str, Report]:
    moment = datetime.min.replace(tzinfo=UTC)
    return {node: replace(report, at=moment) for node, report in (reports or {}).items()}


def _names(alerts: tuple[Alert, ...] | None) -> set[tuple[str, str, datetime]]:
    return {(alert.fault, alert.node, alert.since) for alert in alerts or ()}
