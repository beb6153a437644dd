"""The operator's own metrics. Outcomes are there from the start, so that the first one of a kind is an increase."""

from importlib.metadata import version

from prometheus_client import Counter, Gauge

VERSION = version("edgemodel-operator")
"""Of this build."""
BUILD_INFO = Gauge("edgemodel_operator_build_info", "1, with the version of this operator.", ["version"])
BUILD_INFO.labels(VERSION).set(1)
TICKS = Counter("edgemodel_operator_ticks", "Ticks by outcome: ok, conflict, error, bug.", ["outcome"])
WRITES = Counter("edgemodel_operator_writes", "Writes to the API server by action.", ["action"])
QUEUE = Gauge("edgemodel_operator_queue_length", "EdgeModels that wait for a tick.")
MODELS = Gauge("edgemodel_operator_edgemodels", "EdgeModels that are watched.")
SIGNAL_READS = Counter("edgemodel_operator_signal_reads", "Reads of Prometheus or of all pods by outcome.", ["outcome"])
ALERTS = Counter("edgemodel_operator_alerts", "Alerts that came by the webhook and name an EdgeModel.")

for outcome in ("ok", "conflict", "error", "bug"):
    TICKS.labels(outcome)
for outcome in ("ok", "error"):
    SIGNAL_READS.labels(outcome)
