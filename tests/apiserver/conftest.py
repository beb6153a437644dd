"""A real API server, started once for these tests, and kubectl to talk to it."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.control_plane import ControlPlane
from lab.home import REPOSITORY
from tests.apiserver import scenarios
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.nursery import Nursery, nursery
from tests.apiserver.operator_process import FakePod, Operator, create_node
from tests.apiserver.plain_api import PlainApi, administrator
from tests.apiserver.space import EDGE, V1, Space
from tests.apiserver.theatre import NODES, Theatre

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def api_server() -> Iterator[ControlPlane]:
    """Etcd and kube-apiserver on free loopback ports."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """An API server of a module's own, for what belongs to the whole cluster: the chart, which brings the CRD."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def kubectl(api_server: ControlPlane) -> Kubectl:
    """Kubectl as the administrator."""
    return Kubectl(api_server.kubeconfig)


@pytest.fixture(scope="session")
def edgemodel_crd(kubectl: Kubectl) -> None:
    """The generated CRD, established."""
    applied = kubectl.run("apply", "--server-side", "-f", str(REPOSITORY / "crds" / "edgemodels.yaml"))
    assert applied.returncode == 0, applied.stderr
    deadline = time.monotonic() + 30
    wait = ("wait", "--for=condition=Established", "--timeout=5s", "crd/edgemodels.edgemodel.dev")
    while (ready := kubectl.run(*wait)).returncode != 0:  # it fails at once while there is no condition yet
        assert time.monotonic() < deadline, ready.stderr


@pytest.fixture(scope="session")
def nodes(kubectl: Kubectl) -> Iterator[None]:
    """Two edge nodes that nobody runs."""
    for name in ("edge-1", "edge-2"):
        create_node(kubectl, name, EDGE)
    yield
    kubectl.run("delete", "nodes", "edge-1", "edge-2")


@pytest.fixture
def plain_api(api_server: ControlPlane) -> Iterator[PlainApi]:
    """The API server as the administrator, for what is asked often."""
    api = PlainApi(api_server.server, administrator(api_server))
    yield api
    api.close()


@pytest.fixture
def space(kubectl: Kubectl, plain_api: PlainApi, nodes: None, edgemodel_crd: None) -> Iterator[Space]:
    name = f"operator-{next(_numbers)}"
    assert kubectl.run("create", "namespace", name).returncode == 0
    space = Space(kubectl, plain_api, name)
    yield space
    space.run("delete", "em", "--all", "--wait=false")
    space.run("delete", "pods", "--all", "--force", "--grace-period=0")


@pytest.fixture
def stopped(kubectl: Kubectl, operators: Nursery, tmp_path: Path) -> Iterator[Operator]:
    """An operator that was not started yet."""
    operator = Operator(operators, kubectl.kubeconfig, tmp_path)
    yield operator
    operator.kill()


@pytest.fixture
def operator(stopped: Operator) -> Operator:
    stopped.start()
    return stopped


@pytest.fixture
def pods(space: Space) -> Iterator[list[FakePod]]:
    """v1 serves on both nodes and answers."""
    pods = [FakePod("edge-1", "127.0.81.1"), FakePod("edge-2", "127.0.81.2")]
    with ExitStack() as stack:
        for pod in pods:
            stack.enter_context(pod.listening())
            pod.create(space.kubectl, "digits", space.name)
            pod.serve("digits", space.name, V1, low_confidence=False)
        yield pods


@pytest.fixture(scope="session")
def operators() -> Iterator[Nursery]:
    """Forks operators."""
    with nursery() as found:
        yield found


@pytest.fixture(scope="session")
def theatre_nodes(kubectl: Kubectl) -> None:
    """Two edge nodes that nobody runs."""
    for name in NODES:
        create_node(kubectl, name, scenarios.EDGE)


@pytest.fixture(scope="session")
def theatre(
    api_server: ControlPlane, theatre_nodes: None, operators: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Theatre:
    """Plays scenarios."""
    return Theatre(api_server.server, administrator(api_server), operators, tmp_path_factory.mktemp("theatre"))
