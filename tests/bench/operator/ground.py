"""Where it is measured: etcd, an API server with the chart's CRD and rights, the operator's own program."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.control_plane import ControlPlane
from tests.apiserver.helm import NAMESPACE, RELEASE, Helm
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.operator_process import Operator, wait_for
from tests.apiserver.plain_api import PlainApi, administrator
from tests.bench.operator import raw
from tests.bench.operator.fleet import Fleet
from tests.bench.operator.ledger import Ledger
from tests.bench.operator.process import Fresh, Usage, usage

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{RELEASE}-edgemodel-operator"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")
FLEET = "fleet"
MEMORY_DISK = Path("/dev/shm")
"""Where etcd keeps its files, if it is there: no disk makes others wait that is not the operator."""
INTERVAL = 10
"""Seconds between two readings of Prometheus, as the chart has it."""


@dataclass
class Ground:
    """Everything that is there before the first EdgeModel."""

    api: PlainApi
    fleet: Fleet
    ledger: Ledger
    operator: Operator
    account: Path
    """The kubeconfig of the chart's service account, with exactly its rights."""

    def start_operator(self) -> None:
        """As the chart does by default, but that it looks after one namespace: the twins are not its business."""
        self.operator.start(self.fleet.url, OPERATOR_SIGNAL_INTERVAL=str(INTERVAL))

    @property
    def usage(self) -> Usage:
        """What the operator has taken so far."""
        return usage(self.operator.pid)


@contextmanager
def ground(size: int) -> Iterator[Ground]:
    """It, with nodes and with all stand-ins for `size` EdgeModels running."""
    parent = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    with ControlPlane(parent=parent) as plane, tempfile.TemporaryDirectory(prefix="bench-operator-") as folder:
        kubectl = Kubectl(plane.kubeconfig)
        for namespace in (NAMESPACE, FLEET):
            kubectl.run("create", "namespace", namespace)
        Helm(plane).upgrade()
        ready = ("wait", "--for=condition=Established", "--timeout=5s", "crd/edgemodels.edgemodel.dev")
        wait_for("the CRD", lambda: kubectl.run(*ready).returncode == 0)
        api = PlainApi(plane.server, administrator(plane))
        fleet = Fleet(api, FLEET, size)
        fleet.make_nodes()
        account = plane.client(ACCOUNT, GROUPS)
        operator = Operator(Fresh(), account, Path(folder), FLEET)
        ledger = Ledger(plane.audit_log, ACCOUNT, apart=raw.NAMESPACE)
        with fleet.running():
            try:
                yield Ground(api, fleet, ledger, operator, account)
            finally:
                operator.kill()
