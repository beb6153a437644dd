"""The serving pods: a DaemonSet (EveryNode) or a Deployment (Replicas), and the Service in front of them."""

from edgemodel import series, wish
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.serving import Serving
from edgemodel_operator.model.naming import SERVING, labels, wish_config_map
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.children import child
from edgemodel_operator.render.pod import (
    SCRAPED,
    SECURITY_CONTEXT,
    cloud_access,
    pod_spec,
    protection,
    pushing,
    registry_access,
    resources,
    scratch,
    webhook_keys,
)

WISH_FOLDER = "/etc/edgemodel/wish"
GRACE_SECONDS = 30

OUT_OF_SIGHT: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{condition}", "operator": "Exists", "effect": effect}
    for condition in ("not-ready", "unreachable")
    for effect in ("NoSchedule", "NoExecute")
)
"""Without limit: a pod on a node that is cut off stays and goes on serving."""


def render_workload(model: EdgeModel, image: str) -> Object:
    """The DaemonSet or Deployment. It does not change with the version, so a new version restarts nothing."""
    template = _template(model, image)
    selector = {"matchLabels": labels(model.name, SERVING)}
    if model.spec.placement.mode == "EveryNode":
        strategy = {"type": "RollingUpdate", "rollingUpdate": _pace(model)}
        spec = {"selector": selector, "template": template, "updateStrategy": strategy, "minReadySeconds": 2}
        return child(model, "apps/v1", "DaemonSet", model.name, SERVING, spec=spec)
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": selector,
    }
    template["spec"]["topologySpreadConstraints"] = [spread]
    spec = {"selector": selector, "template": template, "minReadySeconds": 2}
    spec["replicas"] = model.spec.placement.replicas or 0
    return child(model, "apps/v1", "Deployment", model.name, SERVING, spec=spec)


def render_service(model: EdgeModel, *, whole: bool = True) -> Object:
    """Callers on a node reach the pod of that node in EveryNode mode, so that a cut link does not matter to them.

    Until each node has one (not `whole`: replicas still serve) they reach any pod.
    """
    local = model.spec.placement.mode == "EveryNode" and whole
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "infer"}
    if model.spec.serving.tls is not None:
        port |= {"name": "https", "port": 443}
    ports = [port]
    if model.spec.serving.grpc:
        ports.append({"name": "grpc", "port": series.PORT_GRPC, "protocol": "TCP", "targetPort": "grpc"})
    spec = {
        "selector": labels(model.name, SERVING),
        "ports": ports,
        "internalTrafficPolicy": "Local" if local else "Cluster",
    }
    return child(model, "v1", "Service", model.name, SERVING, spec=spec)


def _pace(model: EdgeModel) -> Object:
    """A node's new pod is ready before its old one goes, unless both would need the same port of the node."""
    if model.spec.serving.host_port is None:
        return {"maxSurge": "25%", "maxUnavailable": 0}
    return {"maxSurge": 0, "maxUnavailable": "25%"}


def _template(model: EdgeModel, image: str) -> Object:
    placement = model.spec.placement
    volumes, _, _ = registry_access(model.spec.registry)
    secret_volumes, _, _ = protection(model.spec.serving)
    scratch_volumes, _ = scratch()
    key_volumes, _ = webhook_keys(model.spec.healing)
    cloud_volumes, _ = cloud_access(model.spec.cloud)
    wish_volume = {"name": "wish", "configMap": {"name": wish_config_map(model.name)}}
    tolerations = [  # the API server does not store empty text, and what is there is compared with this
        {key: value for key, value in t.model_dump(by_alias=True, exclude_none=True).items() if value != ""}
        for t in placement.tolerations
    ]
    fields: Object = {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "tolerations": [*OUT_OF_SIGHT, *tolerations],
    }
    if placement.node_selector:
        fields["nodeSelector"] = dict(placement.node_selector)
    if model.spec.registry.pull_secret is not None:
        fields["imagePullSecrets"] = [{"name": model.spec.registry.pull_secret.name}]
    return {
        "metadata": {"labels": labels(model.name, SERVING), "annotations": SCRAPED},
        "spec": pod_spec(
            _container(model, image),
            [wish_volume, *volumes, *secret_volumes, *key_volumes, *cloud_volumes, *scratch_volumes],
            **fields,
        ),
    }


def _container(model: EdgeModel, image: str) -> Object:
    _, mounts, registry_environment = registry_access(model.spec.registry)
    _, secret_mounts, secret_environment = protection(model.spec.serving)
    _, scratch_mounts = scratch()
    _, key_mounts = webhook_keys(model.spec.healing)
    _, cloud_mounts = cloud_access(model.spec.cloud)
    wish_mount = {"name": "wish", "mountPath": WISH_FOLDER, "readOnly": True}
    infer_port: Object = {"name": "infer", "containerPort": series.PORT_INFER, "protocol": "TCP"}
    if model.spec.serving.host_port is not None:
        infer_port["hostPort"] = model.spec.serving.host_port
    ports = [infer_port, {"name": "admin", "containerPort": series.PORT_ADMIN, "protocol": "TCP"}]
    if model.spec.serving.grpc:
        ports.append({"name": "grpc", "containerPort": series.PORT_GRPC, "protocol": "TCP"})
    container: Object = {
        "name": "inference",
        "image": image,
        "ports": ports,
        "env": [*_environment(model), *registry_environment, *secret_environment],
        "volumeMounts": [wish_mount, *mounts, *secret_mounts, *key_mounts, *cloud_mounts, *scratch_mounts],
        "livenessProbe": _probe("/livez", period=5, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "startupProbe": _probe("/livez", period=1, failures=60),
        "securityContext": SECURITY_CONTEXT,
    }
    wanted = resources(model.spec.placement.resources)
    return {**container, "resources": wanted} if wanted else container


def _environment(model: EdgeModel) -> list[Object]:
    own_name = "spec.nodeName" if model.spec.placement.mode == "EveryNode" else "metadata.name"
    bandwidth = model.spec.registry.bandwidth
    capped = [] if bandwidth is None else [{"name": "EDGEMODEL_BANDWIDTH", "value": str(bandwidth)}]
    return [
        {"name": "EDGEMODEL_NAME", "value": model.name},
        {"name": "EDGEMODEL_NAMESPACE", "value": model.namespace},
        {"name": "EDGEMODEL_NODE", "valueFrom": {"fieldRef": {"fieldPath": own_name}}},
        {"name": "EDGEMODEL_WISH", "value": f"{WISH_FOLDER}/{wish.FILE_NAME}"},
        {"name": "EDGEMODEL_CACHE_SIZE", "value": str(model.spec.serving.cache_size)},
        {"name": "EDGEMODEL_THREADS", "value": str(model.spec.serving.threads)},
        *([{"name": "EDGEMODEL_GRPC_PORT", "value": str(series.PORT_GRPC)}] if model.spec.serving.grpc else []),
        {"name": "EDGEMODEL_BATCH_SIZE", "value": str(model.spec.serving.batching.max_size)},
        {"name": "EDGEMODEL_BATCH_DELAY", "value": f"{model.spec.serving.batching.max_delay:g}"},
        *capped,
        *_device(model.spec.serving),
        *pushing(model.spec.serving.otlp),
    ]


def _device(serving: Serving) -> list[Object]:
    """Nothing for the default: pods that were made before there was a choice need no restart."""
    return [] if serving.device == "auto" else [{"name": "EDGEMODEL_DEVICE", "value": serving.device}]


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "admin"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
