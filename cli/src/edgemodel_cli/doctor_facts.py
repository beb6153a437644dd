"""What ``edgemodel doctor`` knows: the results of one round of reads, each of which may have failed by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgemodel_cli.seen import Body, Seen

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A read that failed, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The operator's Deployment and pods as one release has them."""

    deployment: Body
    pods: Sequence[Body] | Unknown
    events: Sequence[Body] | Unknown
    metrics: str | Unknown
    secret: bool | Unknown
    """Whether the webhook's Secret is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One EdgeModel with what the operator made for it. Absent objects are False, None or empty."""

    model: Seen
    workload: Body | Unknown | None
    pods: Sequence[Body] | Unknown
    events: Sequence[Body] | Unknown
    needs: Mapping[str, bool | Unknown]
    """Secrets and ConfigMaps that the spec names, as `Secret x`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was found."""

    namespace: str
    version: Body
    skew: float | None
    """Seconds that this machine's clock is ahead of the API server's; None: the server told no time."""
    rights: Mapping[str, bool | Unknown]
    crd: Body | Unknown | None
    installations: Sequence[Installation] | Unknown
    nodes: Sequence[Body] | Unknown
    models: Sequence[ModelFacts] | Unknown


def is_ready(pod: Body) -> bool:
    """Whether the pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def webhook_secret(deployment: Body) -> str:
    """Name of the Secret with the webhook's token; empty: none is mounted."""
    volumes = deployment["spec"]["template"]["spec"].get("volumes", ())
    return next((str(v["secret"]["secretName"]) for v in volumes if v["name"] == "webhook" and "secret" in v), "")


def known(found: Sequence[T] | Unknown) -> Sequence[T]:
    """What was seen; nothing where the read failed."""
    return () if isinstance(found, Unknown) else found
