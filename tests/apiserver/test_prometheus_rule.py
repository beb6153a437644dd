"""What a cluster with the Prometheus Operator gets: a PrometheusRule per EdgeModel, which owns it, and PodMonitors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.control_plane import ControlPlane
from lab.home import REPOSITORY
from tests.apiserver.alerting import documented_scrape
from tests.apiserver.helm import IMAGES, NAMESPACE, RELEASE, Helm, template
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import Operator, wait_for

pytestmark = pytest.mark.apiserver

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:demo-edgemodel-operator"
RULE = "prometheusrules.monitoring.coreos.com/digits"
LABELS = "--set=prometheus.labels.release=monitoring"


def definition(kind: str) -> dict[str, Any]:
    """A stand-in for one of the Prometheus Operator's CRDs: the kind, without its validation."""
    singular = kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{singular}s.monitoring.coreos.com",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in"},
        },
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "plural": f"{singular}s", "singular": singular},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="module")
def kubectl(plane: ControlPlane) -> Kubectl:
    """An API server that knows PrometheusRules and PodMonitors, with the chart and the sample."""
    kubectl = Kubectl(plane.kubeconfig)
    kubectl.run("create", "namespace", NAMESPACE)
    for crd in map(definition, ("PrometheusRule", "PodMonitor")):
        assert kubectl.apply(crd).returncode == 0
        known = ("wait", "--for=condition=Established", "--timeout=5s", f"crd/{crd['metadata']['name']}")
        wait_for("the CRD", lambda known=known: kubectl.run(*known).returncode == 0)
    Helm(plane).upgrade(LABELS)
    kubectl.run("wait", "--for=condition=Established", "--timeout=20s", "crd/edgemodels.edgemodel.dev")
    sample = REPOSITORY / "manifests" / "samples" / "digits.yaml"
    assert kubectl.run("apply", "--server-side", "-f", str(sample)).returncode == 0
    return kubectl


@pytest.fixture
def operator(plane: ControlPlane, kubectl: Kubectl, operators: Nursery, tmp_path: Path) -> Iterator[Operator]:
    """Signed in as the chart's service account, with the variables that the chart sets."""
    operator = Operator(operators, plane.client(ACCOUNT, ["system:serviceaccounts"]), tmp_path)
    operator.start(**{name: value for name, value in chart_variables(plane).items() if "RULE" in name})
    yield operator
    operator.kill()


def chart_variables(plane: ControlPlane) -> dict[str, str]:
    """The operator's environment as the installed chart has it."""
    manifests = yaml.safe_load_all(Helm(plane).run("get", "manifest", RELEASE, f"--namespace={NAMESPACE}").stdout)
    (deployment,) = (m for m in manifests if m["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def refusals(plane: ControlPlane) -> list[str]:
    records = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    ours = [record for record in records if record["user"]["username"] == ACCOUNT]
    assert any("prometheusrules" in record["requestURI"] for record in ours)
    return [record["requestURI"] for record in ours if record.get("responseStatus", {}).get("code") in (401, 403)]


def test_the_rule_comes_is_put_right_and_goes_with_the_fault_rules(
    plane: ControlPlane, kubectl: Kubectl, operator: Operator
) -> None:
    wait_for("the rule", lambda: kubectl.run("get", RULE).returncode == 0, say=lambda: operator.log[-3000:])
    found = kubectl.get(RULE)
    assert found["metadata"]["labels"]["release"] == "monitoring"
    assert [owner["kind"] for owner in found["metadata"]["ownerReferences"]] == ["EdgeModel"]
    assert all(rule["alert"] == "EdgeModelFault" for rule in found["spec"]["groups"][0]["rules"])
    kubectl.run("patch", RULE, "--type=merge", '--patch={"spec": {"groups": []}}')
    wait_for("its groups", lambda: kubectl.get(RULE)["spec"]["groups"] != [])
    nothing = [{"op": "replace", "path": f"/spec/{field}", "value": {}} for field in ("health", "healing")]
    patched = kubectl.run("patch", "em/digits", "--type=json", f"--patch={json.dumps(nothing)}")
    assert patched.returncode == 0, patched.stderr
    wait_for("no rule", lambda: "NotFound" in kubectl.run("get", RULE).stderr, say=lambda: operator.log[-3000:])
    assert refusals(plane) == []


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("monitor", "workload"),
    [
        ("demo-edgemodel-operator-edgemodels", ("daemonset", "digits")),
        ("demo-edgemodel-operator", ("deployment", "demo-edgemodel-operator", f"--namespace={NAMESPACE}")),
    ],
)
def test_prometheus_is_told_of_the_operator_and_of_what_it_makes(
    kubectl: Kubectl, monitor: str, workload: tuple[str, ...]
) -> None:
    wait_for("the workload", lambda: kubectl.run("get", *workload).returncode == 0)
    pod = kubectl.get(*workload)["spec"]["template"]
    found = kubectl.get("podmonitors.monitoring.coreos.com", monitor, f"--namespace={NAMESPACE}")
    assert found["metadata"]["labels"]["release"] == "monitoring"
    selector = found["spec"]["selector"]
    assert selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert {each["key"] for each in selector.get("matchExpressions", [])} <= pod["metadata"]["labels"].keys()
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    assert not endpoint.get("honorLabels")
    assert endpoint["port"] in {port["name"] for c in pod["spec"]["containers"] for port in c["ports"]}


def test_prometheus_is_told_to_look_after_the_operator(kubectl: Kubectl) -> None:
    found = kubectl.get("prometheusrules", "demo-edgemodel-operator-alerts", f"--namespace={NAMESPACE}")
    assert found["metadata"]["labels"]["release"] == "monitoring"
    assert [group["name"] for group in found["spec"]["groups"]] == ["edgemodel-operator"]


def test_the_chart_relabels_what_pods_say_as_the_documentation_does(kubectl: Kubectl) -> None:
    monitor = "demo-edgemodel-operator-edgemodels"
    found = kubectl.get("podmonitors.monitoring.coreos.com", monitor, f"--namespace={NAMESPACE}")
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    words = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    rules = [{words.get(key, key): value for key, value in rule.items()} for rule in endpoint["metricRelabelings"]]
    assert rules == documented_scrape()["metric_relabel_configs"]


def test_a_cluster_that_does_not_know_them_gives_no_right_to_them() -> None:
    rendered = template(*IMAGES, LABELS).stdout
    assert "prometheusrules" not in rendered
    assert "PodMonitor" not in rendered
    assert "Deployment" in rendered
    assert "OPERATOR_PROMETHEUS_RULES" not in rendered
