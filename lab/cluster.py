"""The self-built cluster: brought up, looked at, taken down."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab import addons, build, cleanup, control_plane, kubeconfig, monitoring, network, node, packages, shell
from lab.buildah import Buildah
from lab.container_images import Publisher, Registry
from lab.control_plane import Endpoints
from lab.driver import Lab
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.pki import Authority
from lab.processes import Table
from lab.progress import Progress

READY_S = 90


@dataclass(frozen=True)
class Cluster:
    """The cluster kept in one LAB_HOME."""

    home: Home

    @property
    def table(self) -> Table:
        """Its processes."""
        return cleanup.table_of(self.home)

    @property
    def _complete(self) -> Path:
        """Is there where `up` came to its end: an interrupted one leaves a part of a cluster."""
        return self.home.run / "complete"

    @property
    def authority(self) -> Authority:
        """Its certificate authority."""
        return Authority(self.home.pki)

    @property
    def endpoints(self) -> Endpoints:
        """Where its API server listens; etcd's ports are chosen when it starts."""
        return Endpoints(network.HOST_ADDRESS, network.API_PORT, network.free_port(), network.free_port())

    def prepare(self, progress: Progress) -> None:
        """Install packages and build commands. Raises LabError where either fails."""
        build.prepare(self.home, progress, {**packages.FOR_TESTS, **packages.FOR_NODES})

    def up(self, progress: Progress) -> None:
        """Make the cluster run: find it running, or clean up what a crash left and start it."""
        packages.require_root()
        cleanup.check_owner(self.home)
        with self.home.locked(progress.say):
            if self.is_running():
                for each in network.NODES:
                    network.restore(each.name)
                    if each.name not in self.table.read():
                        node.power_on(self.home, self.table, each)
                progress.say("the cluster runs already")
                return
            self.prepare(progress)
            cleanup.clean(self.home, progress)
            network.check_free()
            cleanup.claim(self.home)
            with progress.step("starting the control plane"):
                network.create()
                self._start_control_plane()
            with progress.step(f"starting nodes {', '.join(each.name for each in network.NODES)}"):
                self._start_nodes()
                self._start_addons()
                self._wait()
            self._complete.touch()

    def is_running(self) -> bool:
        """Whether `up` came to its end, every process that it started still runs and the API server is ready."""
        if not self._complete.exists() or not self.table.read() or self.table.dead():
            return False
        return control_plane.is_ready(self.endpoints, self.authority, self.authority.issue("admin"))

    def down(self, progress: Progress, *, everything: bool) -> None:
        """Remove all that runs; with `everything` the built commands and images as well."""
        packages.require_root()
        cleanup.check_owner(self.home)
        with self.home.locked(progress.say):
            cleanup.clean(self.home, progress)
        if everything:
            with progress.step(f"removing {self.home.root}"):
                shutil.rmtree(self.home.root)

    def describe(self) -> Lab:
        """Where its parts are."""
        return Lab(
            home=self.home.root,
            kubeconfig=self.home.kubeconfig,
            bin=self.home.bin,
            registry=network.REGISTRY,
            registry_ca=self.authority.certificate,
            prometheus_url=addons.PROMETHEUS_URL,
            prometheus_rules=self.home.prometheus_rules,
            alertmanager_url=addons.ALERTMANAGER_URL,
            nodes=tuple(each.name for each in network.NODES),
            edge_nodes=tuple(each.name for each in network.NODES if each.edge),
            audit_log=self.home.logs / "audit.log",
        )

    def cut(self, name: str) -> None:
        """Pull a node's cable."""
        network.cut(name)

    def restore(self, name: str) -> None:
        """Plug a node's cable in."""
        network.restore(name)

    def power_off(self, name: str) -> None:
        """End all processes of a node at once; its disk and its cable stay as they are."""
        node.power_off(self.table, network.node(name))

    def power_on(self, name: str) -> None:
        """Start a node again."""
        node.power_on(self.home, self.table, network.node(name))

    def on_node(self, name: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in a node's network."""
        return network.inside(network.node(name), list(command))

    def images(self, names: Sequence[str], progress: Progress, repository: Path = REPOSITORY) -> dict[str, str]:
        """Build and push the project's images whose inputs changed."""
        packages.require_root()
        registry = Registry(network.REGISTRY, self.authority.certificate)
        return Publisher(self.home, registry, Buildah(self.home), progress).ensure(names, repository)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it printed."""
        command: list[str | Path] = [self.home.bin / "kubectl", f"--kubeconfig={self.home.kubeconfig}", *arguments]
        return shell.run(command, stdin=stdin).stdout

    def nodes_ready(self) -> dict[str, bool]:
        """What the API server holds each node's Ready condition to be."""
        document: dict[str, Any] = json.loads(self.kubectl("get", "nodes", "-o", "json"))
        return {
            item["metadata"]["name"]: any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in item["status"].get("conditions", [])
            )
            for item in document["items"]
        }

    def status(self) -> dict[str, Any]:
        """What runs and where, as plain data."""
        running = self.is_running()
        ready = self.nodes_ready() if running else {}
        table = self.table
        dead = set(table.dead())
        return {
            "running": running,
            "driver": "self-built",
            "home": str(self.home.root),
            "kubeconfig": str(self.home.kubeconfig),
            "registry": network.REGISTRY,
            "registry_ca": str(self.authority.certificate),
            "prometheus": addons.PROMETHEUS_URL,
            "alertmanager": addons.ALERTMANAGER_URL,
            "nodes": {
                each.name: {
                    "address": each.address,
                    "ready": ready.get(each.name),
                    "cut": network.is_cut(each.name),
                    "on": each.name in table.read(),
                }
                for each in network.NODES
            },
            "processes": {name: name not in dead for name in table.read()},
        }

    def _start_control_plane(self) -> None:
        home, table, authority, endpoints = self.home, self.table, self.authority, self.endpoints
        authority.ensure()
        admin = authority.issue("admin", groups=["system:masters"])
        kubeconfig.write(home.kubeconfig, endpoints.api, authority, admin)
        table.start("etcd", control_plane.etcd_command(endpoints, home.data / "etcd"), home.logs / "etcd.log")
        program = home.bin / "kube-apiserver"
        command = control_plane.api_server_command(program, endpoints, authority, home.etc, home.logs / "audit.log")
        table.start("kube-apiserver", command, home.logs / "kube-apiserver.log")
        addons.start_registry(home, table, authority)
        self._wait_for("API server", lambda: control_plane.is_ready(endpoints, authority, admin))
        for name, flags in control_plane.controllers(authority).items():
            pair = authority.issue(name, user=f"system:{name}")
            access = kubeconfig.write(home.etc / f"{name}.kubeconfig", endpoints.api, authority, pair)
            table.start(name, [home.bin / name, f"--kubeconfig={access}", *flags], home.logs / f"{name}.log")

    def _start_nodes(self) -> None:
        for each in network.NODES:
            node.prepare(self.home, each, self.authority, self.endpoints.api)
            node.power_on(self.home, self.table, each)

    def _start_addons(self) -> None:
        self.kubectl("apply", "-f", "-", stdin=addons.CLUSTER_OBJECTS)
        addons.start_in_cloud(self.home, self.table, self.authority, self.endpoints.api)

    def _wait(self) -> None:
        names = {each.name for each in network.NODES}
        self._wait_for("nodes in the API server", lambda: self.nodes_ready().keys() == names)
        for each in network.NODES:
            role = "edge" if each.edge else "cloud"
            self.kubectl("label", "--overwrite", "node", each.name, f"node-role.kubernetes.io/{role}=")
        self._wait_for("nodes", lambda: all(self.nodes_ready().values()))
        self._wait_for("DNS", addons.dns_is_ready)
        for url in (addons.PROMETHEUS_URL, addons.ALERTMANAGER_URL):
            self._wait_for(url, partial(monitoring.is_ready, url))

    def _wait_for(self, what: str, probe: Callable[[], bool]) -> None:
        """Wait until `probe` says yes. Raises LabError at once where a process of the cluster ended."""

        def ready() -> bool:
            if dead := self.table.dead():
                log = self.home.logs / f"{dead[0]}.log"
                tail = log.read_text(errors="replace")[-1500:] if log.exists() else ""
                raise LabError(f"{', '.join(dead)} ended; the end of {log}:\n{tail}")
            return probe()

        shell.wait_for(what, ready, READY_S, hint=f"see {self.home.logs}")
