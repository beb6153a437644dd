"""What runs beside kind's nodes: the image registry, Prometheus and Alertmanager, in containers.

The registry is on kind's network. The other two share the network of the cloud node, so they reach pods and Services,
and are reached from the host at that node's address.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from lab import docker, monitoring, shell
from lab.home import Home
from lab.kind_nodes import CLOUD, NAME
from lab.pki import Authority

REGISTRY, PROMETHEUS, ALERTMANAGER = (f"{NAME}-{part}" for part in ("registry", "prometheus", "alertmanager"))
REGISTRY_IMAGE = "docker.io/library/registry:2"
PROMETHEUS_IMAGE = "docker.io/prom/prometheus:v2.55.1"
ALERTMANAGER_IMAGE = "docker.io/prom/alertmanager:v0.28.1"


@dataclass(frozen=True)
class Addons:
    """The three of one cluster of kind."""

    home: Home

    @property
    def prometheus_url(self) -> str:
        """Raises LabError where the node does not run."""
        return f"http://{docker.address(CLOUD)}:9090"

    @property
    def alertmanager_url(self) -> str:
        """Raises LabError where the node does not run."""
        return f"http://{docker.address(CLOUD)}:9093"

    @property
    def door(self) -> str:
        """The registry's host:port on the engine's loopback."""
        return shell.run(["docker", "port", REGISTRY, "5000/tcp"]).stdout.split()[0]

    def start(self, nodes: Sequence[str]) -> None:
        """Start all three; `nodes` are told to trust the registry."""
        self._start_registry(nodes)
        self._start_monitoring()

    def _start_registry(self, nodes: Sequence[str]) -> None:
        authority = Authority(self.home.pki)
        authority.ensure()
        files = self.home.pki / "registry"
        files.mkdir()
        certificate, key = files / "registry.crt", files / "registry.key"
        options = ["--publish", "127.0.0.1::5000", "--entrypoint", "sh"]
        options += ["--volume", f"{self.home.registry}:/var/lib/registry"]
        for name, value in {
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            "REGISTRY_HTTP_TLS_CERTIFICATE": certificate,
            "REGISTRY_HTTP_TLS_KEY": key,
        }.items():
            options += ["--env", f"{name}={value}"]
        # Its address, which the certificate names, is known only once it runs.
        wait = f"until [ -e {certificate} ]; do sleep 0.1; done; exec /entrypoint.sh /etc/docker/registry/config.yml"
        docker.start(self.home, REGISTRY, ["--network", docker.NETWORK, *options], [REGISTRY_IMAGE, "-c", wait])
        address = docker.address(REGISTRY)
        pair = authority.issue("registry", hosts=[address, "localhost", "127.0.0.1"])
        shutil.copyfile(pair.key, key)
        shutil.copyfile(pair.certificate, files / "new")
        (files / "new").replace(certificate)
        folder = f"/etc/containerd/certs.d/{address}:5000"
        hosts = f'[host."https://{address}:5000"]\nca = "{folder}/ca.crt"\n'
        script = f"cat > {folder}/hosts.toml"
        for node in nodes:
            shell.run(["docker", "exec", node, "mkdir", "-p", folder])
            shell.run(["docker", "cp", authority.certificate, f"{node}:{folder}/ca.crt"])
            shell.run(["docker", "exec", "--interactive", node, "sh", "-c", script], stdin=hosts)

    def _start_monitoring(self) -> None:
        home, address = self.home, docker.address(CLOUD)
        access = home.etc / "observer.kubeconfig"
        access.touch(mode=0o600)
        access.write_text(shell.run(["kind", "get", "kubeconfig", "--internal", "--name", NAME]).stdout)
        discovery: dict[str, object] = {"kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(access)}]}
        monitoring.write_configurations(home, discovery, f"{address}:9093")
        for name, image, flags in (
            (PROMETHEUS, PROMETHEUS_IMAGE, monitoring.prometheus_flags(home, address)),
            (ALERTMANAGER, ALERTMANAGER_IMAGE, monitoring.alertmanager_flags(home, address)),
        ):
            docker.start(home, name, ["--network", f"container:{CLOUD}"], [image, *flags])
