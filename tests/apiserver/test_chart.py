"""The chart on a real API server: what is installed, what the operator may and may not do, what an upgrade keeps."""

import base64
import json

import pytest

from edgemodel_operator.render.pod import SCRAPED
from lab.control_plane import ControlPlane
from lab.home import REPOSITORY
from tests.apiserver.helm import NAMESPACE, RELEASE, Helm
from tests.apiserver.kubectl import Kubectl

pytestmark = pytest.mark.apiserver

NAME = "demo-edgemodel-operator"


@pytest.fixture(scope="module")
def kubectl(plane: ControlPlane) -> Kubectl:
    return Kubectl(plane.kubeconfig)


@pytest.fixture(scope="module")
def helm(plane: ControlPlane, kubectl: Kubectl) -> Helm:
    """helm, after the chart was installed with its defaults into a namespace that warns of unrestricted pods."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    helm = Helm(plane)
    helm.upgrade()
    return helm


def token(kubectl: Kubectl) -> str:
    secret = kubectl.get("secret", f"{NAME}-webhook", f"--namespace={NAMESPACE}")
    return base64.b64decode(secret["data"]["token"]).decode()


def may(kubectl: Kubectl, verb: str, resource: str, namespace: str = "plant-a") -> bool:
    """Whether the operator's service account may do it."""
    account = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}"
    resource, _, part = resource.partition("/")
    options = [account, f"--namespace={namespace}", f"--subresource={part}"]
    return kubectl.run("auth", "can-i", verb, resource, *options).stdout.strip() == "yes"


@pytest.mark.usefixtures("helm")
def test_the_chart_brings_the_crd(kubectl: Kubectl) -> None:
    assert (
        kubectl.run("wait", "--for=condition=Established", "--timeout=20s", "crd/edgemodels.edgemodel.dev").returncode
        == 0
    )


@pytest.mark.usefixtures("helm")
def test_the_operator_runs_under_the_restricted_standard(kubectl: Kubectl) -> None:
    template = kubectl.get("deployment", NAME, f"--namespace={NAMESPACE}")["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": NAMESPACE},
        "spec": template["spec"],
    }
    answer = kubectl.apply(pod, "--dry-run=server")
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.usefixtures("helm")
def test_prometheus_finds_the_operators_metrics_as_it_finds_those_of_serving_pods(kubectl: Kubectl) -> None:
    template = kubectl.get("deployment", NAME, f"--namespace={NAMESPACE}")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    wanted = {**SCRAPED, "prometheus.io/port": ports["metrics"]}
    assert template["metadata"]["annotations"].items() >= wanted.items()


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize(
    "permission",
    [
        "watch edgemodels.edgemodel.dev",
        "update edgemodels.edgemodel.dev/status",
        "create events.events.k8s.io",
        "patch configmaps",
        "patch services",
        "delete services",
        "patch pods",
        "watch nodes",
        "delete daemonsets.apps",
        "create deployments.apps",
        "create jobs.batch",
        "watch customresourcedefinitions.apiextensions.k8s.io",
        "watch namespaces",
    ],
)
def test_the_operator_may(kubectl: Kubectl, permission: str) -> None:
    assert may(kubectl, *permission.split())


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize(
    "permission",
    [
        "patch edgemodels.edgemodel.dev",
        "update edgemodels.edgemodel.dev",
        "delete edgemodels.edgemodel.dev",
        "delete configmaps",
        "update services",
        "patch jobs.batch",
        "get secrets",
        "list secrets",
        "create pods",
        "delete pods",
        "get pods/log",
        "create pods/exec",
        "patch nodes",
        "create namespaces",
        "patch customresourcedefinitions.apiextensions.k8s.io",
        "create clusterroles.rbac.authorization.k8s.io",
    ],
)
def test_the_operator_may_not(kubectl: Kubectl, permission: str) -> None:
    assert not may(kubectl, *permission.split())


def test_an_upgrade_keeps_the_token_that_alertmanager_knows(helm: Helm, kubectl: Kubectl) -> None:
    before = token(kubectl)
    helm.upgrade("--set=logLevel=DEBUG")
    assert token(kubectl) == before
    assert len(before) == 40


def test_a_token_of_ones_own_is_taken(helm: Helm, kubectl: Kubectl) -> None:
    helm.upgrade("--set=webhook.token=0123456789abcdef")
    assert token(kubectl) == "0123456789abcdef"
    helm.upgrade("--set=webhook.token=")


def test_an_operator_of_some_namespaces_has_no_rights_in_others(helm: Helm, kubectl: Kubectl) -> None:
    kubectl.run("create", "namespace", "plant-b")
    helm.upgrade("--set=namespaces={plant-b}")
    assert may(kubectl, "create", "jobs.batch", "plant-b")
    assert not may(kubectl, "create", "jobs.batch", "plant-a")
    assert not may(kubectl, "watch", "namespaces")
    helm.upgrade("--set=namespaces=null")


def test_the_dashboard_is_where_grafanas_sidecar_looks(helm: Helm, kubectl: Kubectl) -> None:
    helm.upgrade("--set=grafana.dashboard=true")
    found = kubectl.get("configmap", f"{NAME}-dashboard", f"--namespace={NAMESPACE}")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["edgemodels.json"])["title"] == "EdgeModels"
    helm.upgrade("--set=grafana.dashboard=false")


def test_notes_say_where_alertmanager_finds_the_operator(helm: Helm) -> None:
    assert f"http://{NAME}.{NAMESPACE}:8088/alerts" in helm.upgrade()


def test_uninstalling_leaves_every_edgemodel_in_place(plane: ControlPlane, kubectl: Kubectl, helm: Helm) -> None:
    sample = REPOSITORY / "manifests" / "samples" / "digits.yaml"
    assert kubectl.run("apply", "--server-side", "-f", str(sample)).returncode == 0
    assert helm.run("uninstall", RELEASE, f"--namespace={NAMESPACE}").returncode == 0
    assert kubectl.get("edgemodel", "digits")["metadata"]["name"] == "digits"
    helm.upgrade()
