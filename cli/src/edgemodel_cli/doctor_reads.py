"""The reads of ``edgemodel doctor``: one round, in which each may fail by itself."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from edgemodel_cli.api_server import METADATA_ONLY, ApiServer
from edgemodel_cli.cluster import Cluster
from edgemodel_cli.doctor_facts import Facts, Installation, ModelFacts, Unknown, is_ready, known, webhook_secret
from edgemodel_cli.errors import ClusterError, NotFound
from edgemodel_cli.seen import Body, Seen

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/edgemodels.edgemodel.dev"
OPERATOR = "app.kubernetes.io/name=edgemodel-operator"
METRICS_PORT = 8081
RIGHTS = (
    ("edgemodel.dev", "edgemodels", "list"),
    ("edgemodel.dev", "edgemodels", "watch"),
    ("edgemodel.dev", "edgemodels", "patch"),
    ("", "pods", "list"),
    ("", "events", "list"),
    ("", "nodes", "list"),
)
"""What the commands need: group, resource, verb."""

T = TypeVar("T")


def gather(cluster: Cluster, name: str | None) -> Facts:
    """Look at everything; `name` None: at all EdgeModels of the namespace.

    Raises:
        NoCluster: the API server does not answer.
        NotFound: there is no EdgeModel of that name; not raised where the cluster does not know the kind.
    """
    server = cluster.server
    version = server.get("/version", "the API server's version")
    skew = _skew(server.date)
    crd = _try(lambda: _maybe(lambda: server.get(CRD, "the CRD")))
    models: Sequence[ModelFacts] | Unknown = ()
    if crd is not None:
        bodies = _try(lambda: [cluster.read(name)] if name else cluster.read_all())
        if isinstance(bodies, Unknown) and name:
            cluster.read(name)  # says what is wrong
        models = bodies if isinstance(bodies, Unknown) else [_model(cluster, Seen(body)) for body in bodies]
    return Facts(
        namespace=cluster.namespace,
        version=version,
        skew=skew,
        rights={f"{verb} {resource}": _may(cluster, group, resource, verb) for group, resource, verb in RIGHTS},
        crd=crd,
        installations=_try(lambda: _installations(server)),
        nodes=_try(lambda: server.get("/api/v1/nodes", "nodes")["items"]),
        models=models,
    )


def _try(read: Callable[[], T]) -> T | Unknown:
    try:
        return read()
    except ClusterError as error:
        return Unknown(str(error))


def _maybe(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except NotFound:
        return None


def _skew(date: str) -> float | None:
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except ValueError:
        return None


def _may(cluster: Cluster, group: str, resource: str, verb: str) -> bool | Unknown:
    attributes = {"group": group, "resource": resource, "verb": verb}
    if resource != "nodes":
        attributes["namespace"] = cluster.namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return _try(lambda: bool(cluster.server.send("POST", path, "your rights", review)["status"]["allowed"]))


def _installations(server: ApiServer) -> Sequence[Installation]:
    found = server.get("/apis/apps/v1/deployments", "deployments", labelSelector=OPERATOR)["items"]
    return [_installation(server, deployment) for deployment in found]


def _installation(server: ApiServer, deployment: Body) -> Installation:
    namespace = deployment["metadata"]["namespace"]
    core = f"/api/v1/namespaces/{namespace}"
    selector = ",".join(f"{k}={v}" for k, v in deployment["spec"]["selector"].get("matchLabels", {}).items())
    pods: Sequence[Body] | Unknown = _try(lambda: server.get(f"{core}/pods", "pods", labelSelector=selector)["items"])
    ready = list(filter(is_ready, known(pods)))
    metrics: str | Unknown = Unknown("no pod of it is ready")
    if ready:
        path = f"{core}/pods/{ready[0]['metadata']['name']}:{METRICS_PORT}/proxy/metrics"
        metrics = _try(lambda: server.get_text(path, "its metrics"))
    secret = webhook_secret(deployment)
    return Installation(
        deployment=deployment,
        pods=pods,
        events=_try(lambda: _warnings(server, namespace)),
        metrics=metrics,
        secret=_there(server, f"{core}/secrets/{secret}") if secret else False,
    )


def _model(cluster: Cluster, model: Seen) -> ModelFacts:
    server, core = cluster.server, f"/api/v1/namespaces/{model.namespace}"
    replicas = (model.spec.get("placement") or {}).get("mode") == "Replicas"
    path = f"/apis/apps/v1/namespaces/{model.namespace}/{'deployments' if replicas else 'daemonsets'}/{model.name}"
    selector = f"edgemodel.dev/name={model.name}"
    return ModelFacts(
        model=model,
        workload=_try(lambda: _maybe(lambda: server.get(path, "its workload"))),
        pods=_try(lambda: server.get(f"{core}/pods", "pods", labelSelector=selector)["items"]),
        events=_try(lambda: _warnings(server, model.namespace)),
        needs={f"{kind} {name}": _there(server, f"{core}/{kind.lower()}s/{name}") for kind, name in _needs(model)},
    )


def _needs(model: Seen) -> list[tuple[str, str]]:
    registry, serving = model.spec.get("registry") or {}, model.spec.get("serving") or {}
    cloud, distillation = model.spec.get("cloud") or {}, model.spec.get("distillation") or {}
    named = (
        ("Secret", (registry.get("pullSecret") or {}).get("name")),
        ("ConfigMap", (registry.get("caBundle") or {}).get("configMap")),
        ("Secret", (serving.get("tls") or {}).get("secret")),
        ("Secret", (serving.get("tokenSecret") or {}).get("name")),
        ("Secret", (cloud.get("tokenSecret") or {}).get("name")),
        ("Secret", (distillation.get("signingSecret") or {}).get("name")),
        ("PersistentVolumeClaim", (distillation.get("volume") or {}).get("claim")),
        ("PersistentVolumeClaim", (distillation.get("checkpoints") or {}).get("claim")),
        ("ConfigMap", (cloud.get("caBundle") or {}).get("configMap")),
    )
    return [(kind, str(name)) for kind, name in named if name]


def _there(server: ApiServer, path: str) -> bool | Unknown:
    """Whether it is there; its content is not asked for."""
    return _try(lambda: _maybe(lambda: server.get(path, "it", accept=METADATA_ONLY)) is not None)


def _warnings(server: ApiServer, namespace: str) -> Sequence[Body]:
    path = f"/api/v1/namespaces/{namespace}/events"
    found: Sequence[Body] = server.get(path, "events", fieldSelector="type=Warning", limit="500")["items"]
    return found
