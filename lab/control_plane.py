"""etcd and the API server: for the lab's cluster, or alone on loopback for a test."""

from __future__ import annotations

import shutil
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import kubeconfig, network, processes, shell
from lab.errors import LabError
from lab.home import Home
from lab.pki import Authority, Pair

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True)
class Endpoints:
    """Where etcd and the API server listen."""

    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def api(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def etcd(self) -> str:
        """URL of etcd: always on loopback, since it asks for no password."""
        return f"http://127.0.0.1:{self.etcd_port}"


def etcd_command(endpoints: Endpoints, data: Path) -> list[str]:
    """The command line of a single etcd that keeps its files in `data`."""
    peer = f"http://127.0.0.1:{endpoints.etcd_peer_port}"
    return [
        "etcd",
        f"--data-dir={data}",
        f"--listen-client-urls={endpoints.etcd}",
        f"--advertise-client-urls={endpoints.etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--logger=zap",
        "--log-level=warn",
    ]


def api_server_command(  # noqa: PLR0913, PLR0917 - the command line is made of exactly these
    program: Path, endpoints: Endpoints, authority: Authority, etc: Path, audit_log: Path, extra: Sequence[str] = ()
) -> list[str]:
    """The command line of an API server with RBAC and an audit log; certificates are issued as needed."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    addresses = {endpoints.address, "127.0.0.1", network.KUBERNETES_SERVICE}
    serving = authority.issue("kube-apiserver", hosts=["localhost", *names, *sorted(addresses)])
    kubelet_client = authority.issue("kube-apiserver-kubelet-client", groups=["system:masters"])
    policy = etc / "audit-policy.yaml"
    policy.write_text(AUDIT_POLICY)
    accounts = authority.service_accounts
    return [
        str(program),
        f"--bind-address={endpoints.address}",
        f"--advertise-address={endpoints.address}",
        f"--secure-port={endpoints.api_port}",
        f"--etcd-servers={endpoints.etcd}",
        f"--client-ca-file={authority.certificate}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--kubelet-client-certificate={kubelet_client.certificate}",
        f"--kubelet-client-key={kubelet_client.key}",
        f"--kubelet-certificate-authority={authority.certificate}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={accounts.key}",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-cluster-ip-range={network.SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
        *extra,
    ]


def controllers(authority: Authority) -> dict[str, list[str]]:
    """The flags of the controller manager and the scheduler; a node that is silent for 12 s is not ready."""
    return {
        "kube-controller-manager": [
            f"--service-account-private-key-file={authority.service_accounts.key}",
            f"--root-ca-file={authority.certificate}",
            "--use-service-account-credentials=true",
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=12s",
            "--allocate-node-cidrs=false",
            "--leader-elect=false",
            "--secure-port=0",
        ],
        "kube-scheduler": ["--leader-elect=false", "--secure-port=0"],
    }


def is_ready(endpoints: Endpoints, authority: Authority, client: Pair) -> bool:
    """Whether the API server says that it is ready."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(client.certificate, client.key)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{endpoints.api}/readyz", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


@dataclass
class ControlPlane:
    """etcd and an API server for one test: `with ControlPlane() as plane: ... plane.kubeconfig`.

    They listen on free loopback ports, keep everything in a temporary folder and end with the `with` block, or with
    the process that made them. There is no controller: no service account is needed to make a pod, nothing runs it.
    `home` is where the built commands are (`python -m lab build` makes them), `parent` where the temporary folder is
    made; etcd waits for its disk at each write. Independent of the lab's cluster.
    """

    home: Path | None = None
    parent: Path | None = None
    folder: Path = field(init=False)
    endpoints: Endpoints = field(init=False)
    _running: list[processes.Process] = field(init=False, default_factory=list)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self.endpoints.api

    @property
    def audit_log(self) -> Path:
        """One JSON line per request."""
        return self.folder / "audit.log"

    @property
    def authority(self) -> Authority:
        """Issues further client certificates, for users with fewer rights."""
        return Authority(self.folder / "pki")

    def client(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for another user."""
        pair = self.authority.issue(user.replace(":", "-"), user=user, groups=groups)
        return kubeconfig.write(self.folder / f"kubeconfig-{pair.key.stem}", self.server, self.authority, pair)

    def __enter__(self) -> Self:
        """Start both and wait until the API server is ready. Raises LabError with the end of its log."""
        program = (Home(self.home) if self.home else Home.default()).bin / "kube-apiserver"
        if not program.exists():
            raise LabError(f"{program} is not built: run `python -m lab build` first")
        self.folder = Path(tempfile.mkdtemp(prefix="edgemodel-apiserver-", dir=self.parent))
        try:
            self._start(program)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both and remove the folder."""
        self._end()

    def _start(self, program: Path) -> None:
        ports = [network.free_port() for _ in range(3)]
        self.endpoints = Endpoints("127.0.0.1", *ports)
        self.authority.ensure()
        extra = ["--disable-admission-plugins=ServiceAccount", "--shutdown-delay-duration=0s"]
        etcd = etcd_command(self.endpoints, self.folder / "etcd")
        api = api_server_command(program, self.endpoints, self.authority, self.folder, self.audit_log, extra)
        for command in (etcd, api):
            log = self.folder / f"{Path(command[0]).name}.log"
            # A test run that is killed leaves nothing behind: the kernel ends these with it.
            self._running.append(processes.start(["setpriv", "--pdeathsig=KILL", *command], log))
        admin = self.authority.issue("admin", groups=["system:masters"])
        kubeconfig.write(self.kubeconfig, self.server, self.authority, admin)
        shell.wait_for("API server", lambda: self._alive_and_ready(admin), 60, interval_s=0.05)

    def _alive_and_ready(self, admin: Pair) -> bool:
        if not all(process.alive() for process in self._running):
            logs = [path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log"))]
            raise LabError("etcd or the API server ended at once:\n" + "\n".join(logs))
        return is_ready(self.endpoints, self.authority, admin)

    def _end(self) -> None:
        for process in reversed(self._running):
            process.stop(grace_s=0.5)
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
