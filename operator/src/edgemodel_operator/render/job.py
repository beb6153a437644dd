"""The distillation Job: one attempt, one name, so that two can never run for the same attempt."""

from dataclasses import dataclass

from edgemodel import bundle, distillation, series
from edgemodel.distillation import Order, SampleSource, Source
from edgemodel_operator.api.delivery import Distillation
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.model import naming
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render import workers
from edgemodel_operator.render.children import child
from edgemodel_operator.render.pod import (
    SCRAPED,
    SECURITY_CONTEXT,
    STATE,
    pod_spec,
    registry_access,
    resources,
    scratch,
    signing,
)

KEPT_SECONDS = 24 * 3600
"""How long a finished Job stays for people to look at; its result is in the status by then."""
DEADLINE_SECONDS = 7 * 24 * 3600
"""The last resort: a Job that makes no progress ends itself long before."""
RESULT = "/dev/termination-log"
"""Where the Outcome is written, and the kubelet looks for it."""
LABEL_ATTEMPT = "edgemodel.dev/attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What differs between two attempts of one EdgeModel."""

    number: int
    parent: Source | None
    """The serving version: warm start, and what the gates compare with."""
    nodes: tuple[str, ...]
    """Whose samples are used."""
    epochs: int | None
    """Instead of those of spec.distillation."""


def render_job(model: EdgeModel, image: str, attempt: Attempt) -> Object:
    """The Job of one attempt; equal input gives an equal Job."""
    wanted = model.spec.distillation
    if wanted is None:
        raise ValueError("spec.distillation: want a teacher and a data set to distil from")
    name, several = naming.job(model.name, model.uid, attempt.number), wanted.workers > 1
    order = _order(model, wanted, attempt)
    registry_volumes, registry_mounts, environment = registry_access(model.spec.registry)
    key_volumes, key_mounts, key_environment = signing(wanted)
    volumes, mounts = scratch()
    container: Object = {
        "name": "distill",
        "image": image,
        "ports": [{"name": "admin", "containerPort": series.PORT_ADMIN, "protocol": "TCP"}],
        "env": [
            {"name": distillation.ORDER_VARIABLE, "value": order.dump()},
            {"name": "EDGEMODEL_WORK", "value": STATE},
            {"name": "EDGEMODEL_RESULT", "value": RESULT},
            *_identity(model),
            *environment,
            *key_environment,
        ],
        "volumeMounts": [*registry_mounts, *key_mounts, *mounts],
        "securityContext": SECURITY_CONTEXT,
        "terminationMessagePath": RESULT,
        "terminationMessagePolicy": "File",
    }
    if several:
        container["env"] += workers.environment(name, wanted.workers)
        container["ports"].append({"name": "workers", "containerPort": workers.PORT, "protocol": "TCP"})
    limits = resources(wanted.resources)
    if limits:
        container["resources"] = limits
    fields: Object = {"restartPolicy": "Never"}
    if model.spec.registry.pull_secret is not None:
        fields["imagePullSecrets"] = [{"name": model.spec.registry.pull_secret.name}]
    if several:
        fields |= workers.pod_fields(name)
    pod_labels = naming.labels(model.name, naming.DISTILLING)
    spec = {
        "backoffLimit": workers.RETRIES,
        "completions": 1,
        "parallelism": 1,
        **(workers.job_fields(wanted.workers) if several else {}),
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": {
            "metadata": {"labels": pod_labels, "annotations": SCRAPED},
            "spec": pod_spec(container, [*registry_volumes, *key_volumes, *volumes], **fields),
        },
    }
    job = child(model, "batch/v1", "Job", name, naming.DISTILLING, spec=spec)
    job["metadata"]["labels"][LABEL_ATTEMPT] = str(attempt.number)
    return job


def _identity(model: EdgeModel) -> list[Object]:
    """Whose progress the metrics tell."""
    return [
        {"name": "EDGEMODEL_METRICS_PORT", "value": str(series.PORT_ADMIN)},
        {"name": "EDGEMODEL_NAME", "value": model.name},
        {"name": "EDGEMODEL_NAMESPACE", "value": model.namespace},
        {"name": "EDGEMODEL_NODE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]


def _order(model: EdgeModel, wanted: Distillation, attempt: Attempt) -> Order:
    samples = model.spec.serving.samples
    tags = tuple(bundle.sample_tag(model.namespace, model.name, node) for node in attempt.nodes)
    return Order(
        name=naming.distilled(attempt.number),
        teacher=wanted.teacher,
        dataset=wanted.dataset,
        parent=attempt.parent,
        samples=None if samples is None else SampleSource(sink=samples.sink, tags=tags),
        student=wanted.student,
        temperature=wanted.temperature,
        alpha=wanted.alpha,
        epochs=attempt.epochs or wanted.epochs,
        learning_rate=wanted.learning_rate,
        seed=attempt.number,
        method=wanted.method,
        compress=wanted.compress,
        gates=wanted.gates.settings(),
        push=wanted.push,
        trusted_keys=model.spec.registry.trusted_keys,
    )
