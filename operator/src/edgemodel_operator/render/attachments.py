"""What is mounted into pods: scratch space, and what a user's Secrets and ConfigMaps hold for them."""

from dataclasses import dataclass
from typing import Self

from edgemodel_operator.api.cloud import Cloud
from edgemodel_operator.api.delivery import Distillation
from edgemodel_operator.api.healing import Healing, WebhookKey
from edgemodel_operator.api.serving import Registry, Serving
from edgemodel_operator.model.plan import Object

STATE = "/var/lib/edgemodel"

_REGISTRY_CA = "/etc/edgemodel/registry-ca"
_LOGIN = "/etc/edgemodel/registry-login"
_CLOUD_TOKEN = "/etc/edgemodel/cloud-token"  # noqa: S105 (a folder's name)
_CLOUD_CA = "/etc/edgemodel/cloud-ca"
_WEBHOOKS = "/etc/edgemodel/webhooks"
_DATA = "/data"
_CHECKPOINTS = "/checkpoints"
_SIGNING = "/etc/edgemodel/signing"
_TLS = "/etc/edgemodel/tls"
_TOKENS = "/etc/edgemodel/tokens"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Volumes, where they are mounted, and the environment that says so. Their order is part of the pod's stamp."""

    volumes: tuple[Object, ...] = ()
    mounts: tuple[Object, ...] = ()
    environment: tuple[Object, ...] = ()

    @classmethod
    def folder(cls, name: str, path: str, source: Object, **variables: str) -> Self:
        """`source` as a read-only folder, and `variables` that name the files in it."""
        return cls(
            volumes=({"name": name, **source},),
            mounts=({"name": name, "mountPath": path, "readOnly": True},),
            environment=tuple({"name": variable, "value": value} for variable, value in variables.items()),
        )

    def __add__(self, other: "Attachment") -> "Attachment":
        return Attachment(
            self.volumes + other.volumes, self.mounts + other.mounts, self.environment + other.environment
        )


def scratch() -> Attachment:
    """State and temporary files, the only writable places."""
    paths = {"state": STATE, "tmp": "/tmp"}  # noqa: S108 (a volume of the pod)
    return Attachment(
        volumes=tuple({"name": name, "emptyDir": {}} for name in paths),
        mounts=tuple({"name": name, "mountPath": path} for name, path in paths.items()),
    )


def registry_access(registry: Registry) -> Attachment:
    """How a pod reaches private registries."""
    attached = Attachment()
    if (bundle := registry.ca_bundle) is not None:
        source: Object = {"configMap": {"name": bundle.config_map}}
        attached += Attachment.folder(
            "registry-ca", _REGISTRY_CA, source, EDGEMODEL_REGISTRY_CA=f"{_REGISTRY_CA}/ca.crt"
        )
    if (secret := registry.pull_secret) is not None:
        file = f"{_LOGIN}/.dockerconfigjson"
        attached += Attachment.folder("registry-login", _LOGIN, _secret(secret.name), EDGEMODEL_DOCKER_CONFIG=file)
    return attached


def protection(serving: Serving) -> Attachment:
    """A pod's certificate and its callers' tokens."""
    attached = Attachment()
    if (tls := serving.tls) is not None:
        files = {"EDGEMODEL_TLS_CERT": f"{_TLS}/tls.crt", "EDGEMODEL_TLS_KEY": f"{_TLS}/tls.key"}
        attached += Attachment.folder("tls", _TLS, _secret(tls.secret), **files)
    if (tokens := serving.token_secret) is not None:
        file = f"{_TOKENS}/{tokens.key}"
        attached += Attachment.folder("tokens", _TOKENS, _secret(tokens.name), EDGEMODEL_TOKENS=file)
    return attached


def signing(wanted: Distillation) -> Attachment:
    """The key of the Job, which itself says where there is no such Secret."""
    secret = wanted.signing_secret
    if secret is None:
        return Attachment()
    file = "signing.key"
    source = _secret(secret.name, items=[{"key": secret.key, "path": file}], optional=True)
    return Attachment.folder("signing", _SIGNING, source, EDGEMODEL_SIGNING_KEY=f"{_SIGNING}/{file}")


def data(wanted: Distillation) -> Attachment:
    """The volume that teacher and data set may lie on."""
    if wanted.volume is None:
        return Attachment()
    claim = {"claimName": wanted.volume.claim, "readOnly": True}
    return Attachment.folder("data", _DATA, {"persistentVolumeClaim": claim})


def checkpoints(wanted: Distillation, uid: str, candidate: str) -> Attachment:
    """The volume that outlives the Job's pods, with a folder for each EdgeModel, and in it one for each order."""
    if wanted.checkpoints is None:
        return Attachment()
    return Attachment(
        volumes=({"name": "checkpoints", "persistentVolumeClaim": {"claimName": wanted.checkpoints.claim}},),
        mounts=({"name": "checkpoints", "mountPath": _CHECKPOINTS},),
        environment=({"name": "EDGEMODEL_CHECKPOINTS", "value": f"{_CHECKPOINTS}/{uid}/{candidate}"},),
    )


def webhook_keys(healing: Healing) -> Attachment:
    """The keys that webhooks are signed with; a missing Secret keeps no pod from serving."""
    actions = (action for strategy in healing.strategies for action in strategy.actions)
    wanted: dict[str, set[str]] = {}
    for action in actions:
        if action.webhook is not None:
            wanted.setdefault(action.webhook.secret.name, set()).add(action.webhook.secret.key)
    attached = Attachment()
    for number, (name, keys) in enumerate(sorted(wanted.items())):
        source = _secret(name, items=[{"key": key, "path": key} for key in sorted(keys)], optional=True)
        attached += Attachment.folder(f"webhook-{number}", f"{_WEBHOOKS}/{name}", source)
    return attached


def key_file(secret: WebhookKey) -> str:
    """Where a pod finds it."""
    return f"{_WEBHOOKS}/{secret.name}/{secret.key}"


def cloud_access(cloud: Cloud | None) -> Attachment:
    """The cloud's token and certificates; a missing one keeps no pod from serving."""
    attached = Attachment()
    if cloud is not None and cloud.token_secret is not None:
        source = _secret(cloud.token_secret.name, optional=True)
        attached += Attachment.folder("cloud-token", _CLOUD_TOKEN, source)
    if cloud is not None and cloud.ca_bundle is not None:
        source = {"configMap": {"name": cloud.ca_bundle.config_map, "optional": True}}
        attached += Attachment.folder("cloud-ca", _CLOUD_CA, source)
    return attached


def cloud_files(cloud: Cloud) -> tuple[str | None, str | None]:
    """Where a pod finds the token and the certificates."""
    token = None if cloud.token_secret is None else f"{_CLOUD_TOKEN}/{cloud.token_secret.key}"
    return token, None if cloud.ca_bundle is None else f"{_CLOUD_CA}/ca.crt"


def _secret(name: str, **fields: object) -> Object:
    return {"secret": {"secretName": name, **fields}}
