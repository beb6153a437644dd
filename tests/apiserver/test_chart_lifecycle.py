"""The chart's operator goes and comes back, and loses a right and gets it back: what it looks after stays as it is."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.control_plane import ControlPlane
from tests.apiserver.helm import NAMESPACE, RELEASE, Helm
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import FakePod, Operator, create_node, wait_for
from tests.apiserver.plain_api import PlainApi, administrator
from tests.apiserver.space import CHILDREN, EDGE, V1, V2, Space, at_rest, edgemodel

pytestmark = pytest.mark.apiserver

NAME = f"{RELEASE}-edgemodel-operator"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"
PODS = [FakePod("edge-1", "127.0.82.1"), FakePod("edge-2", "127.0.82.2")]
EVERYTHING = ("em/digits", *CHILDREN, *(f"pod/digits-{pod.node}" for pod in PODS))


@pytest.fixture(scope="module")
def helm(plane: ControlPlane) -> Helm:
    """The chart on it, and two nodes that nobody runs."""
    kubectl, helm = Kubectl(plane.kubeconfig), Helm(plane)
    kubectl.run("create", "namespace", NAMESPACE)
    helm.upgrade()
    for pod in PODS:
        create_node(kubectl, pod.node, EDGE)
    established = kubectl.run("wait", "--for=condition=Established", "--timeout=20s", "crd/edgemodels.edgemodel.dev")
    assert established.returncode == 0, established.stderr
    return helm


@pytest.fixture
def space(plane: ControlPlane, helm: Helm, request: pytest.FixtureRequest) -> Iterator[Space]:
    """A namespace of its own, in which v1 serves on both nodes."""
    api, kubectl = PlainApi(plane.server, administrator(plane)), Kubectl(helm.plane.kubeconfig)
    space = Space(kubectl, api, request.node.name.replace("_", "-")[:50].rstrip("-"))
    assert kubectl.run("create", "namespace", space.name).returncode == 0
    with ExitStack() as stack:
        for pod in PODS:
            stack.enter_context(pod.listening())
            pod.create(kubectl, "digits", space.name)
            pod.serve("digits", space.name, V1, low_confidence=False)
        yield space
    space.run("delete", "em", "--all", "--wait=false")
    api.close()


@pytest.fixture
def operator(plane: ControlPlane, space: Space, operators: Nursery, tmp_path: Path) -> Iterator[Operator]:
    """The operator's process, signed in as the chart's service account."""
    operator = Operator(operators, plane.client(ACCOUNT, ["system:serviceaccounts"]), tmp_path, space.name)
    operator.start()
    yield operator
    operator.kill()


def may(space: Space, verb: str, resource: str) -> bool:
    """Whether the operator's service account may do it: the API server hears of a new role a moment later."""
    answer = space.kubectl.run("auth", "can-i", verb, resource, f"--as={ACCOUNT}", f"--namespace={space.name}")
    return answer.stdout.strip() == "yes"


def test_an_operator_that_is_uninstalled_and_installed_again_goes_on_and_rewrites_nothing(
    space: Space, operator: Operator, helm: Helm
) -> None:
    space.apply(edgemodel())
    wait_for("v1 is good", lambda: space.status()["lastGood"] == "v1", say=lambda: operator.log[-3000:])
    PODS[0].serve("digits", space.name, V2, low_confidence=True)
    space.apply(edgemodel(version="v2"))
    wait_for("v2 is out", lambda: space.condition("Stalled") == ("True", "VersionQuarantined"))
    PODS[0].serve("digits", space.name, V1, low_confidence=False)
    wait_for("v1 everywhere", lambda: space.status()["nodes"]["updated"] == 2)
    before, known = at_rest(space, EVERYTHING), space.status()

    uninstalled = helm.run("uninstall", RELEASE, f"--namespace={NAMESPACE}")
    assert uninstalled.returncode == 0, uninstalled.stderr
    operator.stop()
    assert space.versions(EVERYTHING) == before
    helm.upgrade()
    wait_for("its rights", lambda: may(space, "watch", "edgemodels") and may(space, "watch", "nodes"))
    operator.start()
    wait_for("ticks", lambda: operator.ticks > 2, say=lambda: operator.log[-3000:])

    assert at_rest(space, EVERYTHING) == before
    assert space.status() == known
    assert space.wish().refused == (V2["digest"],)


def test_a_right_that_the_operator_lacks_is_named_and_what_it_was_for_is_made_up_for(
    space: Space, operator: Operator
) -> None:
    role = f"clusterrole/{NAME}"
    rules = space.kubectl.get(role)["rules"]
    lacking = [rule for rule in rules if rule["resources"] != ["services"]]
    watching = {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]}
    space.run("patch", role, "--type=merge", f"--patch={json.dumps({'rules': [*lacking, watching]})}")
    space.apply(edgemodel())
    wait_for("Forbidden", lambda: space.condition("Stalled") == ("True", "Forbidden"), say=lambda: operator.log[-3000:])
    (stalled,) = (c for c in space.status()["conditions"] if c["type"] == "Stalled")
    assert 'cannot patch resource "services"' in stalled["message"]
    space.run("patch", role, "--type=merge", f"--patch={json.dumps({'rules': rules})}")
    wait_for("the Service", lambda: space.get("service/digits") and space.condition("Stalled") == ("", ""), within=60)
