"""Names, labels and annotations of everything the operator makes."""

from typing import NamedTuple

MANAGER = "edgemodel-operator"

LABEL_MODEL = "edgemodel.dev/name"
"""On every child and its pods: the EdgeModel's name. Also how children are found."""
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_JOB = "batch.kubernetes.io/job-name"
"""On a Job's pods, put there by Kubernetes."""
LABEL_MANAGED = "app.kubernetes.io/managed-by"
ANNOTATION_REVISION = "edgemodel.dev/wish-revision"
"""On pods: the nudge, as `nudge_text` writes it. The kubelet refreshes a pod's volumes when its annotations change."""

ANNOTATION_INDEX = "batch.kubernetes.io/job-completion-index"
"""On the pods of a Job with several workers, put there by Kubernetes."""
LEADER = "0"
"""Index of the worker that has the result, as the only worker has."""

ANNOTATION_STAMP = "edgemodel.dev/stamp"
"""On children: a hash of all that the operator wants of them."""

WORKLOADS = {"EveryNode": "DaemonSet", "Replicas": "Deployment"}
"""Kind of the serving workload by spec.placement.mode."""
POD_OWNERS = {"DaemonSet": "EveryNode", "ReplicaSet": "Replicas"}
"""Mode that a serving pod is of, by the kind of its controller."""

SERVING, DISTILLING = "inference", "distillation"
"""Values of the component label."""


class Key(NamedTuple):
    """Which EdgeModel."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def labels(name: str, component: str) -> dict[str, str]:
    """Labels of a child; also the selector of its pods."""
    return {LABEL_MODEL: name, LABEL_COMPONENT: component, LABEL_MANAGED: MANAGER}


def wish_config_map(name: str) -> str:
    """Name of the ConfigMap that holds the wish."""
    return f"{name}-wish"


def distilled(attempt: int) -> str:
    """Name of the version that distillation number `attempt` makes."""
    return f"distilled-{attempt}"


def is_distilled(name: str) -> bool:
    """Whether a distillation may have made the version called `name`."""
    return name.removeprefix("distilled-").isdigit()


def job(name: str, uid: str, attempt: int) -> str:
    """Name of a distillation Job: the same for the same EdgeModel and attempt, so that a second one is refused.

    At most 63 characters for names of at most 45, else the API server refuses the pods' hostname; the uid's head
    keeps a re-created EdgeModel from meeting the Jobs of its predecessor.
    """
    return f"{name[:40].rstrip('-')}-{uid[:8]}-d{attempt}"


def nudge_text(revision: int, again: int) -> str:
    """The nudge for a wish: its revision, and how often it is repeated where it is: `7`, `7.1`, `7.2`."""
    return f"{revision}.{again}" if again else str(revision)


def parse_nudge(text: str) -> tuple[int, int]:
    """Revision and repetition; zeros where it is no nudge of ours."""
    revision, _, again = text.partition(".")
    return (int(revision), int(again or "0")) if f"{revision}{again}".isdecimal() and revision else (0, 0)
