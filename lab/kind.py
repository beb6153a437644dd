"""The same cluster by kind, where Docker and kind are present.

This driver could not be tried on the machine it was written on, which has no Docker engine. It is kept thin: kind
makes the nodes, and registry, Prometheus and Alertmanager are containers on kind's network. `LAB_DRIVER=self-built`
chooses the cluster that is built from source instead.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import addons, container_images, shell
from lab.driver import Lab
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.pki import Authority
from lab.progress import Progress

NAME = "edgemodel-lab"
CLOUD = f"{NAME}-worker"
EDGES = (f"{NAME}-worker2", f"{NAME}-worker3")
REGISTRY_IMAGE = "docker.io/library/registry:2"
PROMETHEUS_IMAGE = "docker.io/prom/prometheus:v2.55.1"
ALERTMANAGER_IMAGE = "docker.io/prom/alertmanager:v0.28.1"
CONTAINERS = ("registry", "prometheus", "alertmanager")
CONFIG = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "containerdConfigPatches": [
        '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"'
    ],
    "nodes": [
        {"role": "control-plane"},
        {"role": "worker"},
        {"role": "worker", "labels": {"node-role.kubernetes.io/edge": ""}},
        {"role": "worker", "labels": {"node-role.kubernetes.io/edge": ""}},
    ],
}


def usable() -> bool:
    """Whether a Docker engine answers and kind, kubectl and helm are installed."""
    if os.environ.get("LAB_DRIVER") == "self-built":
        return False
    if not all(shell.find(command) for command in ("docker", "kind", "kubectl", "helm")):
        return False
    return shell.run(["docker", "info"], check=False, timeout_s=20).returncode == 0


@dataclass(frozen=True)
class Kind:
    """A cluster that kind runs."""

    home: Home

    def prepare(self, progress: Progress) -> None:  # noqa: ARG002 - nothing takes long
        """Nothing to build: kind brings everything."""
        self.home.make_folders()
        for command in ("kubectl", "helm"):
            link = self.home.bin / command
            link.unlink(missing_ok=True)
            link.symlink_to(shell.find(command) or command)

    def up(self, progress: Progress) -> None:
        """Make the cluster, its registry and its monitoring."""
        with self.home.locked(progress.say):
            if self.is_running():
                for node in (CLOUD, *EDGES):
                    self.restore(node)
                progress.say("the cluster runs already")
                return
            self._remove()
            self.prepare(progress)
            with progress.step("creating the cluster with kind"):
                command = ["kind", "create", "cluster", "--name", NAME, "--config", "-", "--wait", "120s"]
                command += ["--kubeconfig", str(self.home.kubeconfig)]
                shell.run(command, stdin=yaml.safe_dump(CONFIG))
            with progress.step("starting registry, Prometheus and Alertmanager"):
                self._start_registry()
                self._start_monitoring()

    def down(self, progress: Progress, *, everything: bool) -> None:
        """Remove it."""
        with self.home.locked(progress.say), progress.step("removing the cluster"):
            self._remove()
        if everything:
            shutil.rmtree(self.home.root)

    def is_running(self) -> bool:
        """Whether every container runs."""
        names = [f"{NAME}-control-plane", CLOUD, *EDGES, *(f"{NAME}-{part}" for part in CONTAINERS)]
        asked = shell.run(["docker", "inspect", "--format", "{{.State.Running}}", *names], check=False)
        return asked.returncode == 0 and set(asked.stdout.split()) == {"true"}

    def describe(self) -> Lab:
        """Where its parts are."""
        cloud = self._address(CLOUD)
        return Lab(
            home=self.home.root,
            kubeconfig=self.home.kubeconfig,
            bin=self.home.bin,
            registry=f"{self._address(f'{NAME}-registry')}:5000",
            registry_ca=self.home.pki / "ca.crt",
            prometheus_url=f"http://{cloud}:9090",
            prometheus_rules=self.home.prometheus_rules,
            alertmanager_url=f"http://{cloud}:9093",
            nodes=(CLOUD, *EDGES),
            edge_nodes=EDGES,
            audit_log=None,
        )

    def status(self) -> dict[str, Any]:
        """What runs."""
        running = self.is_running()
        return {"running": running, "home": str(self.home.root), "kubeconfig": str(self.home.kubeconfig)}

    def cut(self, node: str) -> None:
        """Take the node's interface down."""
        shell.run(["docker", "exec", node, "ip", "link", "set", "eth0", "down"])

    def restore(self, node: str) -> None:
        """Take the node's interface up; its default route went with it, kindnet puts the others back."""
        shell.run(["docker", "exec", node, "ip", "link", "set", "eth0", "up"])
        networks = json.loads(shell.run(["docker", "network", "inspect", "kind"]).stdout)
        gateways = [entry["Gateway"] for entry in networks[0]["IPAM"]["Config"] if "." in entry.get("Gateway", "")]
        shell.run(["docker", "exec", node, "ip", "route", "replace", "default", "via", gateways[0]])

    def power_off(self, node: str) -> None:
        """Kill the node's container."""
        shell.run(["docker", "kill", node])

    def power_on(self, node: str) -> None:
        """Start the node's container."""
        shell.run(["docker", "start", node])

    def on_node(self, node: str, command: Sequence[str]) -> list[str]:
        """Run in the node's container."""
        return ["docker", "exec", node, *command]

    def images(self, names: Sequence[str], progress: Progress, repository: Path = REPOSITORY) -> dict[str, str]:
        """Build with Docker and load into the nodes."""
        registry, references = self.describe().registry, {}
        for name, image in container_images.chosen(names).items():
            reference = f"{registry}/{image.name}:{image.tag(repository)}"
            with progress.step(f"building and loading {reference}"):
                dockerfile = repository / image.folder / "Dockerfile"
                shell.run(["docker", "build", "--file", dockerfile, "--tag", reference, repository])
                shell.run(["kind", "load", "docker-image", "--name", NAME, reference])
            references[name] = reference
        return references

    def _start_registry(self) -> None:
        authority = Authority(self.home.pki)
        authority.ensure()
        files = self.home.pki / "registry"
        files.mkdir()
        options = ["--volume", f"{files}:{files}:ro", "--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"]
        options += ["--env", f"REGISTRY_HTTP_TLS_CERTIFICATE={files}/registry.crt"]
        options += ["--env", f"REGISTRY_HTTP_TLS_KEY={files}/registry.key", "--restart", "always"]
        self._run("registry", options, REGISTRY_IMAGE, network="kind")
        # The address is known only now; the registry fails to find its certificate and is started again with it.
        address = self._address(f"{NAME}-registry")
        pair = authority.issue("registry", hosts=[address])
        shutil.copyfile(pair.key, files / "registry.key")
        shutil.copyfile(pair.certificate, files / "registry.crt")
        hosts = f'[host."https://{address}:5000"]\nca = "/etc/containerd/lab-ca.crt"\n'
        for node in (CLOUD, *EDGES):
            folder = f"/etc/containerd/certs.d/{address}:5000"
            shell.run(["docker", "cp", str(authority.certificate), f"{node}:/etc/containerd/lab-ca.crt"])
            script = f"mkdir -p {folder} && cat > {folder}/hosts.toml"
            shell.run(["docker", "exec", "--interactive", node, "sh", "-c", script], stdin=hosts)

    def _start_monitoring(self) -> None:
        cloud, home = self._address(CLOUD), self.home
        discovery: dict[str, object] = {
            "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(home.etc / "observer.kubeconfig")}]
        }
        access = shell.run(["kind", "get", "kubeconfig", "--internal", "--name", NAME]).stdout
        (home.etc / "observer.kubeconfig").write_text(access)
        config = addons.prometheus_config(home, discovery, f"{cloud}:9093")
        (home.etc / "prometheus.yaml").write_text(yaml.safe_dump(config))
        home.alertmanager_config.write_text(yaml.safe_dump(addons.alertmanager_config(None, "")))
        options = ["--user", "0", "--volume", f"{home.root}:{home.root}"]
        flags = [f"--config.file={home.etc}/prometheus.yaml", "--web.enable-lifecycle"]
        self._run("prometheus", options, PROMETHEUS_IMAGE, *flags, network=f"container:{CLOUD}")
        flags = [f"--config.file={home.alertmanager_config}", "--cluster.listen-address="]
        self._run("alertmanager", options, ALERTMANAGER_IMAGE, *flags, network=f"container:{CLOUD}")

    def _run(self, part: str, options: list[str], image: str, *flags: str, network: str) -> None:
        shell.run(
            ["docker", "run", "--detach", "--name", f"{NAME}-{part}", "--network", network, *options, image, *flags]
        )

    def _address(self, container: str) -> str:
        form = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        address = shell.run(["docker", "inspect", "--format", form, container]).stdout.strip()
        if not address:
            raise LabError(f"{container} has no address: run `python -m lab up`")
        return address

    def _remove(self) -> None:
        shell.run(["docker", "rm", "--force", *(f"{NAME}-{part}" for part in CONTAINERS)], check=False)
        shell.run(["kind", "delete", "cluster", "--name", NAME], check=False)
        for folder in (self.home.etc, self.home.pki):
            shutil.rmtree(folder, ignore_errors=True)
