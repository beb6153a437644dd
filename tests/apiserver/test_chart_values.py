"""What the chart makes of its values; no cluster is asked."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgemodel_operator.render.pod import PLAIN
from edgemodel_operator.settings import Settings
from lab.home import Home
from tests.apiserver.helm import CHART, IMAGES, NAMESPACE, RELEASE, render, template

pytestmark = pytest.mark.apiserver

AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-"
NAME = f"{RELEASE}-edgemodel-operator"


def pod(*settings: str, name: str = NAME) -> dict[str, Any]:
    found: dict[str, Any] = render(*(f"--set={setting}" for setting in settings))["Deployment", name]
    return dict(found["spec"]["template"])


def environment(*settings: str) -> dict[str, str]:
    (container,) = pod(*settings)["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_lint_has_nothing_to_say() -> None:
    command = [str(Home.default().bin / "helm"), "lint", "--strict", str(CHART)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("logLevel=LOUD", "/logLevel"),
        ("scrape.interval=0", "/scrape/interval"),
        ("webhook.token=short", "/webhook/token"),
        ("prometheus.url=prometheus:9090", "/prometheus/url"),
        ("prometheus.url=http://me:secret@prometheus:9090", "/prometheus/url"),
        ("image.repositori=x", "additional properties 'repositori'"),
        ("namespaces={Plant}", "/namespaces/0"),
        ("grafana.dashboard=yes", "/grafana/dashboard"),
        ("podIds.runAsUser=0", "/podIds/runAsUser"),
        ("podPullPolicy=Sometimes", "/podPullPolicy"),
        ("fullnameOverride=Plant", "/fullnameOverride"),
        ("extraEnv[0].value=x", "/extraEnv/0"),
        ("podLabels.team=null,podLabels.a=1", "/podLabels/a"),
        ("image.repository=", "image.repository: want the operator's image"),
        ("inference.image=", "inference.image: want the image of the serving pods"),
        ("distill.image=", "distill.image: want the image of the distillation Jobs"),
        ("serviceAccount.create=false", "serviceAccount.name: want the account"),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, field: str) -> None:
    answer = template(*IMAGES, f"--set={setting}")
    assert answer.returncode != 0
    assert field in answer.stderr


def test_what_prometheus_asks_for_is_mounted_where_the_operator_reads_it() -> None:
    settings = ("existingSecret=login", "caBundle.configMap=ca", "caBundle.key=root.pem")
    spec = pod(*(f"prometheus.{setting}" for setting in settings))["spec"]
    (container,) = spec["containers"]
    told = {entry["name"]: Path(entry["value"]) for entry in container["env"] if entry["name"].endswith("_FILE")}
    folders = {Path(mount["mountPath"]): mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    token, ca = told["OPERATOR_PROMETHEUS_TOKEN_FILE"], told["OPERATOR_PROMETHEUS_CA_FILE"]
    secret, config_map = volumes[folders[token.parent]]["secret"], volumes[folders[ca.parent]]["configMap"]
    assert (secret["secretName"], secret["items"]) == ("login", [{"key": "token", "path": token.name}])
    assert (config_map["name"], config_map["items"]) == ("ca", [{"key": "root.pem", "path": ca.name}])


def test_pods_have_the_ids_that_the_operator_has_by_itself() -> None:
    assert json.loads(environment()["OPERATOR_POD_IDS"]) == PLAIN.ids
    assert pod()["spec"]["securityContext"].items() >= PLAIN.ids.items()


def test_a_cluster_that_chooses_users_gets_pods_without_any() -> None:
    none = tuple(f"podIds.{name}=null" for name in PLAIN.ids)
    assert environment(*none)["OPERATOR_POD_IDS"] == "{}"
    assert pod(*none)["spec"]["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}


def test_the_token_can_be_read_by_whichever_user_the_cluster_chooses() -> None:
    (volume,) = [each for each in pod()["spec"]["volumes"] if each["name"] == "webhook"]
    assert volume["secret"]["defaultMode"] & 0o004


def test_a_user_of_ten_digits_arrives_as_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("podIds.runAsUser=1000680000", "podPullPolicy=Always").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.pod_ids["runAsUser"] == 1000680000
    assert settings.pod_pull_policy == "Always"


def test_the_operators_pod_is_dressed_as_the_values_say() -> None:
    dressed = pod("priorityClassName=plant-critical", "podLabels.team=plant", "extraEnv[0].name=A,extraEnv[0].value=b")
    assert dressed["spec"]["priorityClassName"] == "plant-critical"
    assert dressed["metadata"]["labels"]["team"] == "plant"
    assert dressed["spec"]["containers"][0]["env"][-1] == {"name": "A", "value": "b"}
    assert "priorityClassName" not in pod()["spec"]


def test_an_own_name_is_that_of_every_object_but_the_crd() -> None:
    names = {name for kind, name in render("--set=fullnameOverride=plant") if kind != "CustomResourceDefinition"}
    assert {name.partition("-")[0] for name in names} == {"plant"}


def test_an_account_of_ones_own_gets_the_rights() -> None:
    objects = render("--set=serviceAccount.create=false,serviceAccount.name=mine", f"--namespace={NAMESPACE}")
    assert objects["Deployment", NAME]["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    assert not [name for kind, name in objects if kind == "ServiceAccount"]
    subjects = [body["subjects"] for (kind, _), body in objects.items() if kind == "ClusterRoleBinding"]
    assert subjects == [[{"kind": "ServiceAccount", "name": "mine", "namespace": NAMESPACE}]] * 2


def test_kubernetes_own_roles_learn_of_edgemodels_and_nobody_may_write_the_status() -> None:
    rights: dict[str, set[str]] = {}
    for role in [body for (kind, _), body in render().items() if kind == "ClusterRole"]:
        given = {f"{verb} {what}" for rule in role["rules"] for verb in rule["verbs"] for what in rule["resources"]}
        aggregated = [label for label in role["metadata"]["labels"] if label.startswith(AGGREGATED)]
        rights |= dict.fromkeys((label.removeprefix(AGGREGATED) for label in aggregated), given)
    assert rights.keys() == {"view", "edit", "admin"}
    assert rights["edit"] == rights["admin"]
    assert "list edgemodels" in rights["view"]
    assert {right.split()[0] for right in rights["view"]} == {"get", "list", "watch"}
    assert {"create edgemodels", "patch edgemodels", "delete edgemodels", "update edgemodels/scale"} <= rights["edit"]
    assert not {right for right in rights["edit"] if right.endswith("/status")}
