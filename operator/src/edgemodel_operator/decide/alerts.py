"""Which alerts fire. Prometheus says so where there is one; else what the webhook brought, kept in the status.

Deliveries may be late, repeated and out of order: of one fingerprint the newest start counts, and an alert that was
resolved fires again only with a newer one. So the same deliveries in any order, any number of times, end alike.
"""

from datetime import timedelta

from edgemodel_operator.api.status import ALERTS_KEPT, AlertStatus
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Alert, Notice, Observation

LIFETIME = timedelta(hours=9)
"""An alert that was neither repeated nor resolved for so long is forgotten.

Twice Alertmanager's default `repeat_interval` (4 h) and more: it repeats an alert when it flushes the group next, which
is up to `group_interval` (5 min) later, and one delivery may be lost.
"""


def take_in(observation: Observation, draft: Draft) -> Draft:
    """Write down what the webhook brought; its sender waits for that."""
    if observation.alerts is not None:
        return draft.set(alerts=()) if draft.status.alerts else draft
    known = {alert.fingerprint: alert for alert in draft.status.alerts}
    for notice in observation.notices:
        known[notice.fingerprint] = _newer(observation, known.get(notice.fingerprint), notice)
    alive = [alert for alert in known.values() if observation.now < alert.heard + LIFETIME]
    kept = tuple(sorted(sorted(alive, key=_use)[:ALERTS_KEPT], key=lambda alert: (alert.since, alert.fingerprint)))
    if kept:
        draft = draft.wake_at(min(alert.heard for alert in kept) + LIFETIME)
    return draft if kept == draft.status.alerts else draft.set(alerts=kept)


def firing(observation: Observation, draft: Draft) -> tuple[Alert, ...]:
    """The alerts that fire now."""
    if observation.alerts is not None:
        return observation.alerts
    return tuple(
        Alert(fault=alert.fault, node=alert.node or "", since=alert.since, source="Alertmanager")
        for alert in draft.status.alerts
        if not alert.resolved
    )


def _newer(observation: Observation, old: AlertStatus | None, notice: Notice) -> AlertStatus:
    alert = notice.alert
    if old is None or alert.since > old.since:
        return AlertStatus(
            fingerprint=notice.fingerprint,
            fault=alert.fault,
            node=alert.node or None,
            since=alert.since,
            heard=observation.now,
            resolved=not notice.firing,
        )
    if alert.since < old.since or old.resolved:
        return old
    if not notice.firing:
        return old.model_copy(update={"resolved": True, "heard": observation.now})
    # A repeated alert is written down again only now and then: at rest nothing is written.
    aged = observation.now >= old.heard + LIFETIME / 3
    return old.model_copy(update={"heard": observation.now}) if aged else old


def _use(alert: AlertStatus) -> tuple[bool, bool, float]:
    """What is forgotten last where there are too many: what fires, what speaks of all nodes, what is newest."""
    return alert.resolved, alert.node is not None, -alert.since.timestamp()
