"""A real API server, started once for these tests, and kubectl to talk to it."""

import time
from collections.abc import Iterator

import pytest

from lab.control_plane import ControlPlane
from lab.home import REPOSITORY
from tests.apiserver.kubectl import Kubectl


@pytest.fixture(scope="session")
def api_server() -> Iterator[ControlPlane]:
    """Etcd and kube-apiserver on free loopback ports."""
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
