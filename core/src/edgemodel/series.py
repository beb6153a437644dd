"""Names and labels of every metric: what pods export is what operator, rules and dashboards read.

Every series carries the labels `edgemodel`, `namespace` and `node` (see `identity`).
"""

from collections.abc import Mapping

PORT_ADMIN = 8081
"""/livez, /readyz, /metrics, /status; changes nothing."""
PORT_INFER = 8080
PORT_GRPC = 8082

SERVING_INFO = "edgemodel_serving_info"
"""1; labels version, digest, reason: what answers now and why (Wish, Fallback, …)."""
WISH_REVISION = "edgemodel_wish_revision"
"""Revision of the wish that the agent carried out last."""
FAULT_ACTIVE = "edgemodel_fault_active"
"""Label fault: 1 while the rule's fault is active, 0 while it is not; no series before the first verdict."""
REFUSED_INFO = "edgemodel_refused_info"
"""1; labels digest, version, reason: a digest this node refuses to serve, and why (a fault's name or a code)."""
FETCH_PENDING = "edgemodel_fetch_pending"
"""1; labels version, digest, reason: a wished artifact that is not here yet, and why (Fetching, Unreachable, …)."""
HEALS_TOTAL = "edgemodel_heals_total"
"""Counter; labels fault, action, verdict."""
HEALS_LAST_HOUR = "edgemodel_heals_last_hour"
"""Actions that this node took about faults in the last hour; no series where there was none."""
HEAL_JUDGED = "edgemodel_heal_judged_seconds"
"""Gauge; labels fault, action, verdict: when this node judged its last such action, by its own clock. Only of what a
node alone does (`edgemodel.ladder.NODE_ACTIONS`): a switch of the model is seen in what it serves and refuses."""
LADDER_HELD = "edgemodel_ladder_held"
"""1; labels fault, reason: an active fault about which this node does nothing more by itself, and why."""
REQUESTS_TOTAL = "edgemodel_requests_total"
"""Counter; label outcome (ok, invalid, rejected, error, unauthorized): requests since the worker started."""
INFERENCE_SECONDS = "edgemodel_inference_seconds"
"""Histogram: seconds from a request's last byte to its answer; in five buckets, so that it costs seven series."""
ANSWERED_SINCE_SWITCH = "edgemodel_answered_since_switch"
"""Gauge; label version: requests answered well since the active model was last flipped (or the worker started)."""
TALLY = "edgemodel_tally"
"""Gauge; labels version, of, part: sums over the intervals since the active model was last flipped (or the worker
started); `of` and `part` are `edgemodel.tally`'s `Measure` and `PARTS`. What a rollout compares versions by."""
TALLY_ANSWERED = "edgemodel_tally_answered"
"""Gauge; label version: requests answered well in these intervals."""
TALLY_BEGAN = "edgemodel_tally_began_seconds"
"""Gauge; label version: when the sums began, by the node's clock."""
CONFIDENCE_MEAN = "edgemodel_model_confidence_mean"
"""Mean of the top class probability over the last interval."""
METRIC_GAUGES: Mapping[str, str] = {
    "inference_latency_ms": "edgemodel_inference_latency_ms",
    "model_confidence_mean": CONFIDENCE_MEAN,
    "requests_per_second": "edgemodel_requests_per_second",
    "error_ratio": "edgemodel_error_ratio",
    "queue_length": "edgemodel_queue_length",
    "system_memory_mb": "edgemodel_system_memory_mb",
    "cpu_percent": "edgemodel_cpu_percent",
    "cloud_ratio": "edgemodel_cloud_ratio",
}
"""Gauge per detector metric: the last sample; absent where there was none."""
SAMPLES_PUSHED = "edgemodel_samples_pushed"
"""Gauge: how many hard samples of this node lie in the sink, as of the last push."""
CLOUD_REQUESTS_TOTAL = "edgemodel_cloud_requests_total"
"""Counter; label outcome (`edgemodel.cloud.CloudOutcome`): answers that the edge was unsure of, by what became of
them; no series for an outcome that there was not, and none at all without joint inference."""
CLOUD_BREAKER = "edgemodel_cloud_breaker"
"""1; label state (open, half-open): the cloud failed again and again and is not asked now; no series while it is."""
CLOUD_BUDGET_LEFT = "edgemodel_cloud_budget_left"
"""Gauge: requests that may still be sent to the cloud in the present 24 hours."""
WORKER_RESTARTS_TOTAL = "edgemodel_worker_restarts_total"
"""Counter; label reason."""

TRAINING_EPOCH = "edgemodel_training_epoch"
"""Gauge of a distillation Job; label candidate: epochs that are done."""
TRAINING_PERCENT = "edgemodel_training_percent"
"""Gauge of a distillation Job; label candidate: how much of the training is done."""
TRAINING_LOSS = "edgemodel_training_loss"
"""Gauge of a distillation Job; label candidate: mean loss of the last epoch."""
TRAINING_ACCURACY = "edgemodel_training_holdout_accuracy"
"""Gauge of a distillation Job; label candidate: accuracy on the holdout after the last epoch."""

ALERT_LABELS = ("edgemodel", "namespace", "fault", "node")
"""Labels of an alert that names an EdgeModel; `node` is optional."""


def identity(edgemodel: str, namespace: str, node: str) -> dict[str, str]:
    """The labels that every series of a pod carries."""
    return {"edgemodel": edgemodel, "namespace": namespace, "node": node}
