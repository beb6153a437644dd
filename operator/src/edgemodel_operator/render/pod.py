"""What pods of both kinds share: the restricted Pod Security Standard, and how registries are reached."""

from typing import Any

from edgemodel_operator.api.spec import Registry, Resources
from edgemodel_operator.model.plan import Object

USER = 65532
STATE = "/var/lib/edgemodel"
CA_FOLDER = "/etc/edgemodel/registry-ca"
LOGIN_FOLDER = "/etc/edgemodel/registry-login"

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


def resources(wanted: Resources) -> Object:
    """Requests and limits as a container has them; empty parts are left out."""
    return {part: dict(values) for part, values in (("limits", wanted.limits), ("requests", wanted.requests)) if values}
