"""The operator's own metrics."""

from prometheus_client import Counter, Gauge

TICKS = Counter("edgemodel_operator_ticks", "Ticks by outcome: ok, conflict, error, bug.", ["outcome"])
WRITES = Counter("edgemodel_operator_writes", "Writes to the API server by action.", ["action"])
QUEUE = Gauge("edgemodel_operator_queue_length", "EdgeModels that wait for a tick.")
MODELS = Gauge("edgemodel_operator_edgemodels", "EdgeModels that are watched.")
SIGNAL_READS = Counter("edgemodel_operator_signal_reads", "Reads of Prometheus or of all pods by outcome.", ["outcome"])
ALERTS = Counter("edgemodel_operator_alerts", "Alerts that came by the webhook and name an EdgeModel.")
