"""What pods of both kinds share: the restricted Pod Security Standard, and how registries are reached."""

import re
from fractions import Fraction
from typing import Any

from edgemodel import series
from edgemodel_operator.api.cloud import Cloud
from edgemodel_operator.api.delivery import Distillation
from edgemodel_operator.api.healing import Healing, WebhookKey
from edgemodel_operator.api.serving import Otlp, Registry, Resources, Serving
from edgemodel_operator.model.plan import Object

USER = 65532
STATE = "/var/lib/edgemodel"
CA_FOLDER = "/etc/edgemodel/registry-ca"
CLOUD_TOKEN_FOLDER = "/etc/edgemodel/cloud-token"  # noqa: S105 (a folder's name)
CLOUD_CA_FOLDER = "/etc/edgemodel/cloud-ca"
WEBHOOK_FOLDER = "/etc/edgemodel/webhooks"
LOGIN_FOLDER = "/etc/edgemodel/registry-login"
SIGNING_FOLDER = "/etc/edgemodel/signing"
TLS_FOLDER = "/etc/edgemodel/tls"
TOKEN_FOLDER = "/etc/edgemodel/tokens"  # noqa: S105 (a folder's name)

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

SECURITY_CONTEXT: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def pod_spec(container: Object, volumes: list[Object], **fields: Any) -> Object:
    """A pod with one container that runs without root, without a token and without foreign environment."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
        **fields,
    }


def scratch() -> tuple[list[Object], list[Object]]:
    """Volumes and mounts for state and temporary files, the only writable places."""
    volumes: list[Object] = [{"name": "state", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    mounts: list[Object] = [{"name": "state", "mountPath": STATE}, {"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (a volume of the pod)
    return volumes, mounts


def registry_access(registry: Registry) -> tuple[list[Object], list[Object], list[Object]]:
    """Volumes, mounts and environment through which a pod reaches private registries."""
    volumes: list[Object] = []
    mounts: list[Object] = []
    environment: list[Object] = []
    if registry.ca_bundle is not None:
        volumes.append({"name": "registry-ca", "configMap": {"name": registry.ca_bundle.config_map}})
        mounts.append({"name": "registry-ca", "mountPath": CA_FOLDER, "readOnly": True})
        environment.append({"name": "EDGEMODEL_REGISTRY_CA", "value": f"{CA_FOLDER}/ca.crt"})
    if registry.pull_secret is not None:
        volumes.append({"name": "registry-login", "secret": {"secretName": registry.pull_secret.name}})
        mounts.append({"name": "registry-login", "mountPath": LOGIN_FOLDER, "readOnly": True})
        environment.append({"name": "EDGEMODEL_DOCKER_CONFIG", "value": f"{LOGIN_FOLDER}/.dockerconfigjson"})
    return volumes, mounts, environment


def protection(serving: Serving) -> tuple[list[Object], list[Object], list[Object]]:
    """Volumes, mounts and environment through which a pod gets its certificate and its callers' tokens."""
    volumes: list[Object] = []
    mounts: list[Object] = []
    environment: list[Object] = []
    if serving.tls is not None:
        volumes.append({"name": "tls", "secret": {"secretName": serving.tls.secret}})
        mounts.append({"name": "tls", "mountPath": TLS_FOLDER, "readOnly": True})
        environment.append({"name": "EDGEMODEL_TLS_CERT", "value": f"{TLS_FOLDER}/tls.crt"})
        environment.append({"name": "EDGEMODEL_TLS_KEY", "value": f"{TLS_FOLDER}/tls.key"})
    if serving.token_secret is not None:
        volumes.append({"name": "tokens", "secret": {"secretName": serving.token_secret.name}})
        mounts.append({"name": "tokens", "mountPath": TOKEN_FOLDER, "readOnly": True})
        environment.append({"name": "EDGEMODEL_TOKENS", "value": f"{TOKEN_FOLDER}/{serving.token_secret.key}"})
    return volumes, mounts, environment


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


def signing(wanted: Distillation) -> tuple[list[Object], list[Object], list[Object]]:
    """Volumes, mounts and environment of the Job's key; the Job itself says that there is no such Secret."""
    secret = wanted.signing_secret
    if secret is None:
        return [], [], []
    items = [{"key": secret.key, "path": "signing.key"}]
    volume = {"secretName": secret.name, "items": items, "optional": True}
    return (
        [{"name": "signing", "secret": volume}],
        [{"name": "signing", "mountPath": SIGNING_FOLDER, "readOnly": True}],
        [{"name": "EDGEMODEL_SIGNING_KEY", "value": f"{SIGNING_FOLDER}/signing.key"}],
    )


def webhook_keys(healing: Healing) -> tuple[list[Object], list[Object]]:
    """Volumes and mounts of the keys that webhooks are signed with; a missing Secret keeps no pod from serving."""
    actions = (action for strategy in healing.strategies for action in strategy.actions)
    wanted: dict[str, set[str]] = {}
    for action in actions:
        if action.webhook is not None:
            wanted.setdefault(action.webhook.secret.name, set()).add(action.webhook.secret.key)
    volumes: list[Object] = []
    mounts: list[Object] = []
    for number, (name, keys) in enumerate(sorted(wanted.items())):
        items = [{"key": key, "path": key} for key in sorted(keys)]
        volumes.append({"name": f"webhook-{number}", "secret": {"secretName": name, "items": items, "optional": True}})
        mounts.append({"name": f"webhook-{number}", "mountPath": f"{WEBHOOK_FOLDER}/{name}", "readOnly": True})
    return volumes, mounts


def cloud_access(cloud: Cloud | None) -> tuple[list[Object], list[Object]]:
    """Volumes and mounts of the cloud's token and certificates; a missing one keeps no pod from serving."""
    volumes: list[Object] = []
    mounts: list[Object] = []
    if cloud is not None and cloud.token_secret is not None:
        secret = {"secretName": cloud.token_secret.name, "optional": True}
        volumes.append({"name": "cloud-token", "secret": secret})
        mounts.append({"name": "cloud-token", "mountPath": CLOUD_TOKEN_FOLDER, "readOnly": True})
    if cloud is not None and cloud.ca_bundle is not None:
        volumes.append({"name": "cloud-ca", "configMap": {"name": cloud.ca_bundle.config_map, "optional": True}})
        mounts.append({"name": "cloud-ca", "mountPath": CLOUD_CA_FOLDER, "readOnly": True})
    return volumes, mounts


def cloud_files(cloud: Cloud) -> tuple[str | None, str | None]:
    """Where a pod finds the token and the certificates."""
    token = None if cloud.token_secret is None else f"{CLOUD_TOKEN_FOLDER}/{cloud.token_secret.key}"
    return token, None if cloud.ca_bundle is None else f"{CLOUD_CA_FOLDER}/ca.crt"


def key_file(secret: WebhookKey) -> str:
    """Where a pod finds it."""
    return f"{WEBHOOK_FOLDER}/{secret.name}/{secret.key}"


def resources(wanted: Resources) -> Object:
    """Requests and limits as a container has them; empty parts are left out."""
    parts = (("limits", wanted.limits), ("requests", wanted.requests))
    return {part: {name: canonical(v) for name, v in values.items()} for part, values in parts if values}


def canonical(amount: int | str) -> str:
    """`amount` as the API server stores it, so that what is there can be compared with what is wanted.

    The largest suffix with which no digits are lost: 1000m is 1, 0.5 is 500m, 1024Mi is 1Gi.
    https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity
    """
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(amount))
    if match is None:
        return str(amount)
    number, suffix = match.groups()
    binary = suffix.endswith("i")
    value = Fraction(number) * (_BINARY if binary else _DECIMAL)[suffix]
    if value == 0:
        return "0"
    fitting = _BINARY if binary and value >= _BINARY["Ki"] else _DECIMAL
    found = next((unit for unit, size in fitting.items() if (value / size).denominator == 1), None)
    return str(amount) if found is None else f"{value / fitting[found]}{found}"
