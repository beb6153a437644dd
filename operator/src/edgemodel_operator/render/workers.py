"""How many work at one distillation: one is a plain Job; several are an Indexed one, whose pods a Service gives names.

Fields that an older cluster does not know are dropped there: then the Job ends when all indexes have.
"""

from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.model import naming
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.children import child

PORT = 29500
"""Where worker 0 is met; the tensors then go over ports of the system's choice."""

RETRIES = 2
"""How often a distillation is tried again, all workers together."""

_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def job_fields(workers: int) -> Object:
    """Fields of the Job's spec. One worker's failure is every worker's, and all are tried again."""
    if workers == 1:
        return {"completions": 1, "parallelism": 1, "backoffLimit": RETRIES}
    return {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        # By index: the delay before a retry doubles with each failed pod otherwise, and they fail together.
        "backoffLimitPerIndex": RETRIES,
        "maxFailedIndexes": 0,
        "backoffLimit": (RETRIES + 1) * workers - 1,
        # Worker 0 alone has the result. One that is still on its way out must not meet its own successor.
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
        "podReplacementPolicy": "Failed",
    }


def pod_fields(name: str, workers: int) -> Object:
    """Fields of the pods' spec: several have names in DNS, and nodes of their own where there are enough."""
    if workers == 1:
        return {}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {naming.LABEL_JOB: name}},
    }
    return {"subdomain": name, "topologySpreadConstraints": [spread]}


def environment(name: str, workers: int) -> list[Object]:
    """A worker's place among several, in the words of PyTorch."""
    if workers == 1:
        return []
    return [
        {"name": "RANK", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}},
        {"name": "WORLD_SIZE", "value": str(workers)},
        {"name": "MASTER_ADDR", "value": f"{name}-0.{name}"},
        {"name": "MASTER_PORT", "value": str(PORT)},
    ]


def ports(workers: int) -> list[Object]:
    """Where several meet."""
    return [{"name": "workers", "containerPort": PORT, "protocol": "TCP"}] if workers > 1 else []


def render_meeting_place(model: EdgeModel, name: str) -> Object:
    """The headless Service of the Job `name`: without it its pods have no names in DNS."""
    spec = {
        "clusterIP": "None",
        "selector": {naming.LABEL_JOB: name},
        # They look for each other as soon as they have addresses.
        "publishNotReadyAddresses": True,
        "ports": [{"name": "workers", "port": PORT, "protocol": "TCP", "targetPort": PORT}],
    }
    return child(model, "v1", "Service", name, naming.DISTILLING, spec=spec)
