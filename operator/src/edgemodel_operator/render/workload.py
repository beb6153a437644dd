"""The serving pods: a DaemonSet (EveryNode) or a Deployment (Replicas), and the Service in front of them."""

from edgemodel import series, wish
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.serving import Serving
from edgemodel_operator.model.naming import SERVING, labels, wish_config_map
from edgemodel_operator.model.plan import Object
from edgemodel_operator.render.attachments import (
    Attachment,
    cloud_access,
    protection,
    registry_access,
    scratch,
    webhook_keys,
)
from edgemodel_operator.render.children import child
from edgemodel_operator.render.pod import (
    PLAIN,
    SCRAPED,
    SECURITY_CONTEXT,
    PodDefaults,
    pod_spec,
    pushing,
    resources,
    scheduling,
)

WISH_FOLDER = "/etc/edgemodel/wish"
GRACE_SECONDS = 30

OUT_OF_SIGHT: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{condition}", "operator": "Exists", "effect": effect}
    for condition in ("not-ready", "unreachable")
    for effect in ("NoSchedule", "NoExecute")
)
"""Without limit: a pod on a node that is cut off stays and goes on serving."""


def render_workload(model: EdgeModel, image: str, pods: PodDefaults = PLAIN) -> Object:
    """The DaemonSet or Deployment. It does not change with the version, so a new version restarts nothing."""
    template = _template(model, image, pods)
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


def _template(model: EdgeModel, image: str, pods: PodDefaults) -> Object:
    fields = {"terminationGracePeriodSeconds": GRACE_SECONDS, **scheduling(model.spec.placement, OUT_OF_SIGHT)}
    attached = _attached(model)
    return {
        "metadata": {"labels": labels(model.name, SERVING), "annotations": SCRAPED},
        "spec": pod_spec(_container(model, image, attached), attached, model.spec.registry, pods, **fields),
    }


def _attached(model: EdgeModel) -> Attachment:
    spec = model.spec
    wish_folder = Attachment.folder("wish", WISH_FOLDER, {"configMap": {"name": wish_config_map(model.name)}})
    registry, callers = registry_access(spec.registry), protection(spec.serving)
    return wish_folder + registry + callers + webhook_keys(spec.healing) + cloud_access(spec.cloud) + scratch()


def _container(model: EdgeModel, image: str, attached: Attachment) -> Object:
    infer_port: Object = {"name": "infer", "containerPort": series.PORT_INFER, "protocol": "TCP"}
    if model.spec.serving.host_port is not None:
        infer_port["hostPort"] = model.spec.serving.host_port
    ports = [infer_port, {"name": "admin", "containerPort": series.PORT_ADMIN, "protocol": "TCP"}]
    if model.spec.serving.grpc:
        ports.append({"name": "grpc", "containerPort": series.PORT_GRPC, "protocol": "TCP"})
    return {
        "name": "inference",
        "image": image,
        "ports": ports,
        "env": [*_environment(model), *attached.environment],
        "volumeMounts": list(attached.mounts),
        "livenessProbe": _probe("/livez", period=5, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "startupProbe": _probe("/livez", period=1, failures=60),
        "securityContext": SECURITY_CONTEXT,
        **resources(model.spec.placement.resources),
    }


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
        *_trial(model.spec.serving),
        *_device(model.spec.serving),
        *pushing(model.spec.serving.otlp),
    ]


def _trial(serving: Serving) -> list[Object]:
    """Nothing for the default, as with the device."""
    if serving.trial_time == Serving().trial_time:
        return []
    return [{"name": "EDGEMODEL_TRIAL_SECONDS", "value": f"{serving.trial_time:.0f}"}]


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
