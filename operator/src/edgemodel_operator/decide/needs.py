"""What only the user can give, and without which no container is made: its absence shows in a pod's events at most."""

from collections.abc import Sequence

from edgemodel_operator.api.serving import Registry
from edgemodel_operator.api.spec import Spec
from edgemodel_operator.model.observation import Job

CREATING = "ContainerCreating"
"""A container's reason to wait for its image, or for what it mounts."""


def to_serve(spec: Spec) -> Sequence[str]:
    """What the pods that serve mount."""
    needs, serving = _of_registry(spec.registry), spec.serving
    if serving.tls is not None:
        needs.append(f"Secret {serving.tls.secret} of spec.serving.tls")
    if serving.token_secret is not None:
        needs.append(f"Secret {serving.token_secret.name} of spec.serving.tokenSecret")
    return needs


def to_train(spec: Spec) -> Sequence[str]:
    """What the pods of a distillation Job mount."""
    needs, distillation = _of_registry(spec.registry), spec.distillation
    if distillation is not None and distillation.volume is not None:
        needs.append(f"PersistentVolumeClaim {distillation.volume.claim} of spec.distillation.volume")
    if distillation is not None and distillation.checkpoints is not None:
        needs.append(f"PersistentVolumeClaim {distillation.checkpoints.claim} of spec.distillation.checkpoints")
    return needs


def words(needs: Sequence[str]) -> str:
    """`needs` as the end of a sentence."""
    return f"; it needs {' and '.join(needs)}" if needs else ""


def of_job(job: Job, spec: Spec) -> str | None:
    """What a pod of `job` waits for; None: none waits."""
    if not job.waiting:
        return None
    mounts = job.waiting == CREATING or "volume" in job.waiting.lower()  # the scheduler does not always name the claim
    return f"{job.name} waits: {job.waiting}{words(to_train(spec)) if mounts else ''}"


def _of_registry(registry: Registry) -> list[str]:
    needs = []
    if registry.ca_bundle is not None:
        needs.append(f"ConfigMap {registry.ca_bundle.config_map} of spec.registry.caBundle")
    if registry.pull_secret is not None:
        needs.append(f"Secret {registry.pull_secret.name} of spec.registry.pullSecret")
    return needs
