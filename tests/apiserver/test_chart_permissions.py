"""The operator as a process with exactly the rights that the chart gives it: it reconciles, and is refused nothing."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from edgemodel_operator.model.naming import LABEL_MODEL
from lab.control_plane import ControlPlane
from lab.home import REPOSITORY
from tests.apiserver.helm import NAMESPACE, Helm
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import Operator, wait_for

pytestmark = pytest.mark.apiserver

CHILDREN = {"configmaps", "services", "daemonsets", "deployments", "jobs", "pods"}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:demo-edgemodel-operator"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="module")
def kubectl(plane: ControlPlane) -> Kubectl:
    """An API server with the chart, one edge node and the sample."""
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.run("create", "namespace", NAMESPACE)
    Helm(plane).upgrade()
    label = {"node-role.kubernetes.io/edge": ""}
    kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge-1", "labels": label}})
    kubectl.run("wait", "--for=condition=Established", "--timeout=20s", "crd/edgemodels.edgemodel.dev")
    applied = kubectl.run("apply", "--server-side", "-f", str(REPOSITORY / "manifests" / "samples" / "digits.yaml"))
    assert applied.returncode == 0, applied.stderr
    return kubectl


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane, kubectl: Kubectl, operators: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator's process, signed in as the chart's service account."""
    account = plane.client(ACCOUNT, ["system:serviceaccounts"])
    operator = Operator(operators, account, tmp_path_factory.mktemp("operator"))
    operator.start()
    yield operator
    operator.kill()


def asked(plane: ControlPlane) -> list[dict[str, Any]]:
    """What the operator asked for, from the audit log."""
    records = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    return [record for record in records if record["user"]["username"] == ACCOUNT]


def refusals(plane: ControlPlane) -> list[str]:
    """What it asked for and was refused."""
    return [
        f"{record['verb']} {record['requestURI']}"
        for record in asked(plane)
        if record.get("responseStatus", {}).get("code") in (401, 403)
    ]


def wanted_label(record: dict[str, Any]) -> str:
    """The labels that a list or a watch asks for."""
    return ",".join(parse_qs(urlsplit(record["requestURI"]).query).get("labelSelector", []))


def exists(kubectl: Kubectl, *arguments: str) -> bool:
    return kubectl.run("get", *arguments).returncode == 0


def test_it_makes_the_children_and_writes_the_status(operator: Operator, kubectl: Kubectl) -> None:
    def done() -> bool:
        seen = kubectl.get("em", "digits")["status"]["observedGeneration"] == 1
        return seen and exists(kubectl, "daemonset/digits", "service/digits", "configmap/digits-wish")

    wait_for("children and status", done, say=lambda: operator.log[-3000:])


def test_it_changes_a_daemon_set_for_a_deployment(operator: Operator, kubectl: Kubectl) -> None:
    patch = '{"spec": {"placement": {"mode": "Replicas", "replicas": 2}}}'
    assert kubectl.run("patch", "em", "digits", "--type=merge", f"--patch={patch}").returncode == 0

    def done() -> bool:
        return exists(kubectl, "deployment/digits") and not exists(kubectl, "daemonset/digits")

    wait_for("a Deployment and no DaemonSet", done, say=lambda: operator.log[-3000:])


def test_it_asks_for_nothing_that_it_may_not_have(operator: Operator, plane: ControlPlane) -> None:
    assert refusals(plane) == [], operator.log[-3000:]


def test_of_other_peoples_objects_it_asks_for_none(operator: Operator, plane: ControlPlane) -> None:
    looks = [record for record in asked(plane) if record["verb"] in ("list", "watch")]
    children = [record for record in looks if record["objectRef"]["resource"] in CHILDREN]
    assert {(r["verb"], r["objectRef"]["resource"]) for r in children} == set(product(("list", "watch"), CHILDREN))
    assert {wanted_label(record) for record in children} == {LABEL_MODEL}
