"""Alert rules for Prometheus, from fault rules: one rendering for the operator's PrometheusRule and for a plain file.

An alert repeats the verdict of the node's own detector, so that there is one meaning of each rule. It has the labels of
its series (edgemodel, namespace, node, fault); with them Alertmanager's webhook to the operator names the EdgeModel.
Others are about the operator itself, which cannot tell that it is gone.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

from edgemodel import series
from edgemodel.faults import Rule

ALERT = "EdgeModelFault"
OPERATOR_GROUP = "edgemodel-operator"
INTERVAL = 5.0
"""Seconds between two evaluations where no EdgeModel says otherwise."""

_SUMMARY = "{{ $labels.edgemodel }}: fault {{ $labels.fault }} on node {{ $labels.node }}"
_DESCRIPTION = (
    "The fault rule {{ $labels.fault }} of EdgeModel {{ $labels.namespace }}/{{ $labels.edgemodel }} fired on node "
    "{{ $labels.node }}{{DETAILS}}. What is being done about it: "
    "kubectl edgemodel explain {{ $labels.edgemodel }} -n {{ $labels.namespace }}"
)


def render_operator_group() -> dict[str, Any]:
    """The alerts about the operator itself; they name no EdgeModel, so the operator's webhook skips them."""
    absent = _about_operator(
        "EdgeModelOperatorAbsent",
        "absent(edgemodel_operator_edgemodels)",
        "No EdgeModel operator is seen",
        "Prometheus has seen no EdgeModel operator for 10 minutes. Nodes serve and heal themselves, but no version is "
        "rolled out, taken back or trained. See: edgemodel doctor",
    )
    bug = _about_operator(
        "EdgeModelOperatorBug",
        'increase(edgemodel_operator_ticks_total{outcome="bug"}[15m]) > 0',
        "The EdgeModel operator failed at an EdgeModel",
        "It does nothing about that EdgeModel, whose condition Stalled says InternalError, until it is mended. "
        "Its log says where (`a tick failed`): report it.",
    )
    blind = _about_operator(
        "EdgeModelOperatorBlind",
        'increase(edgemodel_operator_signal_reads_total{outcome="ok"}[15m]) == 0',
        "The EdgeModel operator reads neither Prometheus nor pods",
        "For 15 minutes nothing has answered: it blames and rolls back nothing. Its log says why (`no signals`).",
    )
    absent |= {"for": "10m", "labels": {"severity": "critical"}}
    return {"name": OPERATOR_GROUP, "rules": [absent, bug, blind]}


def _about_operator(name: str, expr: str, summary: str, description: str) -> dict[str, Any]:
    annotations = {"summary": summary, "description": description}
    return {"alert": name, "expr": expr, "for": "0s", "labels": {"severity": "warning"}, "annotations": annotations}


def render_groups(
    rules: Iterable[Rule] = (), *, namespace: str = "", name: str = "", interval: float = INTERVAL
) -> list[dict[str, Any]]:
    """The groups of a rule file: one alert per fault rule, of one EdgeModel where `name` says so.

    Without `rules` one alert stands for all faults of all EdgeModels.
    """
    alerts = [_alert(rule, namespace, name) for rule in rules] or [_alert(None, namespace, name)]
    group = "edgemodel" if not name else f"edgemodel/{namespace}/{name}"
    return [{"name": group, "interval": f"{max(math.ceil(interval), 1)}s", "rules": alerts}]


def _alert(rule: Rule | None, namespace: str, name: str) -> dict[str, Any]:
    wanted = {"namespace": namespace, "edgemodel": name, "fault": "" if rule is None else rule.name}
    matchers = ",".join(f"{label}={json.dumps(value)}" for label, value in wanted.items() if value)
    alert: dict[str, Any] = {
        "alert": ALERT,
        "expr": f"{series.FAULT_ACTIVE}{f'{{{matchers}}}' if matchers else ''} == 1",
        "for": "0s",  # the node's detector has waited already: window and triggerCount of the rule
    }
    if rule is not None:
        alert["labels"] = {"severity": rule.severity.value.lower()}
    description = _DESCRIPTION.replace("{{DETAILS}}", "" if rule is None else f" ({in_words(rule)})")
    return {**alert, "annotations": {"summary": _SUMMARY, "description": description}}


def in_words(rule: Rule) -> str:
    """When the rule fires, for a person."""
    subject = rule.metric if rule.statistic == "latest" else f"{rule.statistic} of {rule.metric}"
    times = f", {rule.trigger_count} times in a row" if rule.trigger_count > 1 else ""
    return f"{subject} {rule.operator} {rule.threshold:g} over {rule.window} samples{times}"
