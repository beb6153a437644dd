"""The same cluster by kind, where Docker and kind are present: kind makes the nodes, `kind_addons` what runs beside."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import docker, monitoring, shell
from lab.container_images import Publisher, Registry
from lab.driver import Lab
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.kind_addons import ALERTMANAGER, PROMETHEUS, REGISTRY, Addons
from lab.kind_nodes import CLOUD, CONTROL_PLANE, EDGES, NAME, WORKERS, Worker
from lab.pki import Authority
from lab.progress import Progress

CONTAINERS = (CONTROL_PLANE, *WORKERS, REGISTRY, PROMETHEUS, ALERTMANAGER)
CONFIG = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "containerdConfigPatches": [
        '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"'
    ],
    "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in WORKERS)],
}
READY_S = 120


@dataclass(frozen=True)
class Kind:
    """A cluster that kind runs."""

    home: Home

    @property
    def authority(self) -> Authority:
        """Signs the registry's certificate."""
        return Authority(self.home.pki)

    @property
    def _record(self) -> Path:
        """The address of each container; is there where `up` came to its end."""
        return self.home.run / "containers.json"

    def prepare(self, progress: Progress) -> None:  # noqa: ARG002 - nothing takes long
        """Nothing to build: kind brings everything but kubectl and helm, which are on this machine."""
        self.home.make_folders()
        for name in ("kubectl", "helm"):
            link, found = self.home.bin / name, shell.find(name)
            if found and not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(found)

    def up(self, progress: Progress) -> None:
        """Make the cluster run: find it, start what is stopped of it, or make it anew."""
        self._check_owner()
        with self.home.locked(progress.say):
            if self._resume():
                progress.say("the cluster runs already")
                return
            self._remove()
            self.prepare(progress)
            with progress.step("creating the cluster with kind"):
                self._create()
            with progress.step("starting registry, Prometheus and Alertmanager"):
                self._addons().start(WORKERS)
            with progress.step("waiting until all of it is ready"):
                self._wait()
            self._record.write_text(
                json.dumps({name: each.address for name, each in docker.inspect(CONTAINERS).items()})
            )

    def down(self, progress: Progress, *, everything: bool) -> None:
        """Remove the cluster; with `everything` the images as well."""
        self._check_owner()
        with self.home.locked(progress.say), progress.step("removing the cluster"):
            self._remove()
        if everything:
            docker.remove_images()
            shutil.rmtree(self.home.root)

    def is_running(self) -> bool:
        """Whether `up` came to its end, all containers run at the addresses they had, and the API server is ready.

        A worker that is switched off does not count: somebody wanted that.
        """
        recorded = self._recorded()
        found = docker.inspect(CONTAINERS)
        off = {name for name in WORKERS if name in found and not found[name].running}
        addresses = {name: each.address for name, each in found.items() if each.running}
        if not recorded or addresses != {name: recorded[name] for name in recorded if name not in off}:
            return False
        return self._kubectl("get", "--raw=/readyz", "--request-timeout=5s", check=False) == "ok"

    def describe(self) -> Lab:
        """Where its parts are. Raises LabError where they are not there."""
        parts = self._addons()
        return Lab(
            home=self.home.root,
            kubeconfig=self.home.kubeconfig,
            bin=self.home.bin,
            registry=self._registry().address,
            registry_ca=self.authority.certificate,
            prometheus_url=parts.prometheus_url,
            prometheus_rules=self.home.prometheus_rules,
            alertmanager_url=parts.alertmanager_url,
            nodes=WORKERS,
            edge_nodes=EDGES,
            audit_log=None,
        )

    def status(self) -> dict[str, Any]:
        """What runs and where, as plain data."""
        running = self.is_running()
        status: dict[str, Any] = {"running": running, "driver": "kind", "home": str(self.home.root)}
        if running:
            here, found = self.describe(), docker.inspect(CONTAINERS)
            status |= {
                "kubeconfig": str(here.kubeconfig),
                "registry": here.registry,
                "registry_ca": str(here.registry_ca),
                "prometheus": here.prometheus_url,
                "alertmanager": here.alertmanager_url,
                "nodes": {
                    name: {"address": found[name].address, "cut": self._worker(name).is_cut, "on": found[name].running}
                    for name in WORKERS
                },
            }
        return status

    def cut(self, node: str) -> None:
        """Pull a node's cable."""
        self._worker(node).cut()

    def restore(self, node: str) -> None:
        """Plug a node's cable in."""
        self._worker(node).restore()

    def power_off(self, node: str) -> None:
        """Kill the node's container."""
        self._worker(node).power_off()

    def power_on(self, node: str) -> None:
        """Start the node's container."""
        self._worker(node).power_on()

    def on_node(self, node: str, command: Sequence[str]) -> list[str]:
        """Run in the node's container: it sees the node's files, not the host's."""
        return ["docker", "exec", self._worker(node).name, *command]

    def images(self, names: Sequence[str], progress: Progress, repository: Path = REPOSITORY) -> dict[str, str]:
        """Build with Docker and push to the registry, from which the nodes pull."""
        builder = docker.Docker(self.home, self._addons().door)
        return Publisher(self.home, self._registry(), builder, progress).ensure(names, repository)

    def _create(self) -> None:
        command = ["kind", "create", "cluster", "--name", NAME, "--config", "-", "--wait", f"{READY_S}s"]
        command += ["--kubeconfig", str(self.home.kubeconfig)]
        if image := os.environ.get("LAB_KIND_NODE_IMAGE"):
            command += ["--image", image]
        shell.run(command, stdin=yaml.safe_dump(CONFIG))
        # Not by kind's own `labels`: a kubelet may not give itself a role.
        for node in WORKERS:
            self._kubectl("label", "node", node, f"node-role.kubernetes.io/{'edge' if node in EDGES else 'cloud'}=")

    def _wait(self) -> None:
        self._kubectl("wait", "nodes", "--all", "--for=condition=Ready", f"--timeout={READY_S}s")
        self._kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", f"--timeout={READY_S}s")
        registry, parts = self._registry(), self._addons()
        shell.wait_for(
            f"an answer of the registry at {registry.address}", registry.answers, READY_S,
            f"see `docker logs {REGISTRY}`; is the Docker engine on this machine?",
        )  # fmt: skip
        for name, url in ((PROMETHEUS, parts.prometheus_url), (ALERTMANAGER, parts.alertmanager_url)):
            shell.wait_for(url, functools.partial(monitoring.is_ready, url), READY_S, f"see `docker logs {name}`")

    def _resume(self) -> bool:
        """Start what is stopped of a complete cluster and plug its cables in; False where it must be made anew."""
        recorded, found = self._recorded(), docker.inspect(CONTAINERS)
        if not recorded or found.keys() != recorded.keys():
            return False
        off = [name for name in CONTAINERS if not found[name].running]
        with contextlib.suppress(LabError):  # whatever cannot be mended is not running afterwards
            for name in off:
                shell.run(["docker", "start", name])
            for node in WORKERS:
                self.restore(node)
            if CLOUD in off:
                shell.run(["docker", "restart", PROMETHEUS, ALERTMANAGER])  # they had the old network of their node
            if off:
                self._wait()
        return self.is_running()

    def _recorded(self) -> dict[str, str]:
        return json.loads(self._record.read_text()) if self._record.exists() else {}

    def _check_owner(self) -> None:
        for each in docker.inspect([REGISTRY]).values():
            if each.running and each.owner != str(self.home.root):
                raise LabError(f"another lab runs here: LAB_HOME={each.owner} python -m lab down, then try again")

    def _remove(self) -> None:
        docker.remove((REGISTRY, PROMETHEUS, ALERTMANAGER))
        command = ["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", str(self.home.kubeconfig)]
        shell.run(command)
        for folder in (self.home.data, self.home.etc, self.home.pki, self.home.run):
            shutil.rmtree(folder, ignore_errors=True)
        for rules in self.home.prometheus_rules.glob("*.yaml"):
            rules.unlink()

    def _worker(self, name: str) -> Worker:
        if name not in WORKERS:
            raise LabError(f"no node {name!r}: choose one of {', '.join(WORKERS)}")
        return Worker(name, self.home.run / f"cut-{name}")

    def _addons(self) -> Addons:
        return Addons(self.home)

    def _registry(self) -> Registry:
        return Registry(f"{docker.address(REGISTRY)}:5000", self.authority.certificate)

    def _kubectl(self, *arguments: str, check: bool = True) -> str:
        command: list[str | Path] = [self.home.bin / "kubectl", f"--kubeconfig={self.home.kubeconfig}", *arguments]
        return shell.run(command, check=check).stdout
