"""The PrometheusRule of an EdgeModel, for clusters where the Prometheus Operator runs."""

from collections.abc import Mapping

from edgemodel.alerting import render_groups
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.model.naming import SERVING
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.children import child

PROMETHEUS_RULE = "PrometheusRule"


def render_prometheus_rule(model: EdgeModel, labels: Mapping[str, str]) -> Object:
    """One alert per fault rule; `labels` are those by which Prometheus selects its rules."""
    health = model.spec.health
    groups = render_groups(health.rules, namespace=model.namespace, name=model.name, interval=health.interval)
    body = child(model, "monitoring.coreos.com/v1", PROMETHEUS_RULE, model.name, SERVING, spec={"groups": groups})
    body["metadata"]["labels"] = {**labels, **body["metadata"]["labels"]}
    return body
