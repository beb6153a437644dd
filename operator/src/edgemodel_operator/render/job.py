"""The distillation Job: one attempt, one name, so that two can never run for the same attempt."""

from dataclasses import dataclass

from edgemodel import bundle, distillation, series
from edgemodel.distillation import Order, SampleSource, Source
from edgemodel_operator.api.delivery import Distillation
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.model import naming
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render import workers
from edgemodel_operator.render.attachments import STATE, checkpoints, data, registry_access, scratch, signing
from edgemodel_operator.render.children import child
from edgemodel_operator.render.pod import (
    PLAIN,
    SCRAPED,
    SECURITY_CONTEXT,
    PodDefaults,
    pod_spec,
    resources,
    scheduling,
    whole_cores,
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


def render_job(model: EdgeModel, image: str, attempt: Attempt, pods: PodDefaults = PLAIN) -> Object:
    """The Job of one attempt; equal input gives an equal Job."""
    wanted = model.spec.distillation
    if wanted is None:
        raise ValueError("spec.distillation: want a teacher and a data set to distil from")
    name = naming.job(model.name, model.uid, attempt.number)
    spec = {
        **workers.job_fields(wanted.workers),
        **_pod_fates(wanted),
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
        "template": _template(model, wanted, attempt, image, pods),
    }
    job = child(model, "batch/v1", "Job", name, naming.DISTILLING, spec=spec)
    job["metadata"]["labels"][LABEL_ATTEMPT] = str(attempt.number)
    return job


def _pod_fates(wanted: Distillation) -> Object:
    """Of a Job that goes on where it was: a pod that the cluster took away is no try, and two never write at once."""
    if wanted.checkpoints is None:
        return {}
    taken_away = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {"podFailurePolicy": {"rules": [taken_away]}, "podReplacementPolicy": "Failed"}


def _template(model: EdgeModel, wanted: Distillation, attempt: Attempt, image: str, pods: PodDefaults) -> Object:
    name = naming.job(model.name, model.uid, attempt.number)
    kept = checkpoints(wanted, model.uid, naming.distilled(attempt.number))
    attached = registry_access(model.spec.registry) + signing(wanted) + data(wanted) + kept + scratch()
    told = [
        {"name": distillation.ORDER_VARIABLE, "value": _order(model, wanted, attempt).dump()},
        {"name": "EDGEMODEL_WORK", "value": STATE},
        {"name": "EDGEMODEL_RESULT", "value": RESULT},
        {"name": "EDGEMODEL_THREADS", "value": str(whole_cores(wanted.resources))},
        *_identity(model),
        *attached.environment,
        *workers.environment(name, wanted.workers),
    ]
    admin = {"name": "admin", "containerPort": series.PORT_ADMIN, "protocol": "TCP"}
    container: Object = {
        "name": "distill",
        "image": image,
        "ports": [admin, *workers.ports(wanted.workers)],
        "env": told,
        "volumeMounts": list(attached.mounts),
        "securityContext": SECURITY_CONTEXT,
        "terminationMessagePath": RESULT,
        "terminationMessagePolicy": "File",
        **resources(wanted.resources),
    }
    fields = {"restartPolicy": "Never", **scheduling(wanted), **workers.pod_fields(name, wanted.workers)}
    return {
        "metadata": {"labels": naming.labels(model.name, naming.DISTILLING), "annotations": SCRAPED},
        "spec": pod_spec(container, attached, model.spec.registry, pods, **fields),
    }


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
