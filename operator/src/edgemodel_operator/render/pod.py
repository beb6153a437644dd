"""What pods of both kinds share: the restricted Pod Security Standard, who pulls their image, what they may use."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from edgemodel import series
from edgemodel_operator.api.scheduling import Scheduling
from edgemodel_operator.api.serving import Otlp, Registry, Resources
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.attachments import Attachment

USER = 65532
Id = Literal["runAsUser", "runAsGroup", "fsGroup"]

_BINARY = {f"{letter}i": Fraction(1024) ** power for power, letter in ((6, "E"), (5, "P"), (4, "T"), (3, "G"))}
_BINARY |= {"Mi": Fraction(1024) ** 2, "Ki": Fraction(1024), "": Fraction(1)}
_DECIMAL = {letter: Fraction(10) ** (3 * power) for power, letter in zip(range(6, 0, -1), "EPTGMk", strict=True)}
_DECIMAL |= {"": Fraction(1), "m": Fraction(1, 10**3), "u": Fraction(1, 10**6)}

SCRAPED: Object = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": str(series.PORT_ADMIN),
    "prometheus.io/path": "/metrics",
}
"""Annotations that ask Prometheus for a visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDefaults:
    """What an administrator, not an EdgeModel, says of every pod that is made."""

    ids: Mapping[Id, int] = field(default_factory=lambda: {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER})
    """User and groups in the pod's securityContext; those that are absent the image or the cluster chooses."""
    pull_policy: str = ""
    """When images are pulled; empty: as Kubernetes does by the image's tag."""


PLAIN = PodDefaults()

SECURITY_CONTEXT: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_spec(container: Object, attached: Attachment, registry: Registry, pods: PodDefaults, **fields: Any) -> Object:
    """A pod with one container that runs without root, without a token and without foreign environment."""
    if registry.pull_secret is not None:
        fields["imagePullSecrets"] = [{"name": registry.pull_secret.name}]
    if pods.pull_policy:
        container = {**container, "imagePullPolicy": pods.pull_policy}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            **pods.ids,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": list(attached.volumes),
        **fields,
    }


def scheduling(wanted: Scheduling, always: Sequence[Object] = ()) -> Object:
    """The fields of a pod's spec by which nodes are chosen; `always`: tolerations besides those that are wanted."""
    tolerations = [  # the API server does not store empty text, and what is there is compared with this
        {key: value for key, value in each.model_dump(by_alias=True, exclude_none=True).items() if value != ""}
        for each in wanted.tolerations
    ]
    fields: Object = {
        "nodeSelector": dict(wanted.node_selector),
        "tolerations": [*always, *tolerations],
        "runtimeClassName": wanted.runtime_class_name,
        "priorityClassName": wanted.priority_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def pushing(otlp: Otlp | None) -> list[Object]:
    """Environment by which a pod pushes its metrics and traces."""
    if otlp is None:
        return []
    told = {"EDGEMODEL_OTLP": otlp.metrics, "EDGEMODEL_OTLP_TRACES": otlp.traces}
    environment: list[Object] = [{"name": name, "value": url} for name, url in told.items() if url is not None]
    if otlp.traces is not None:
        environment.append({"name": "EDGEMODEL_TRACE_RATIO", "value": f"{otlp.trace_ratio:g}"})
    if (secret := otlp.headers_secret) is not None:
        source = {"secretKeyRef": {"name": secret.name, "key": secret.key}}
        environment.append({"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": source})
    return environment


def resources(wanted: Resources) -> Object:
    """The container's field of that name; none where nothing is wanted."""
    parts = (("limits", wanted.limits), ("requests", wanted.requests))
    stored = {part: {name: canonical(v) for name, v in values.items()} for part, values in parts if values}
    return {"resources": stored} if stored else {}


def whole_cores(wanted: Resources) -> int:
    """How many threads a container may keep busy: limits.cpu rounded down, at least one; one without a limit."""
    return max(1, int(_amount(wanted.limits.get("cpu", 1))))


def canonical(amount: int | str) -> str:
    """`amount` as the API server stores it, so that what is there can be compared with what is wanted.

    The largest suffix with which no digits are lost: 1000m is 1, 0.5 is 500m, 1024Mi is 1Gi.
    https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity
    """
    value, binary = _amount(amount), str(amount).endswith("i")
    if value == 0:
        return "0"
    fitting = _BINARY if binary and value >= _BINARY["Ki"] else _DECIMAL
    found = next((unit for unit, size in fitting.items() if (value / size).denominator == 1), None)
    return str(amount) if found is None else f"{value / fitting[found]}{found}"


def _amount(amount: int | str) -> Fraction:
    number, suffix = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(amount)).groups()  # type: ignore[union-attr]  # CpuOrMemory
    return Fraction(number) * (_BINARY | _DECIMAL)[suffix]
