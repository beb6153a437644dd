"""A disposable real Kubernetes cluster for the demo and the tests.

`up()` makes it run and returns a `Lab` that says where everything is; the other functions act on the running one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from lab import addons, container_images, network, shell
from lab import node as nodes
from lab.cluster import Cluster
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress

__all__ = ["Lab", "LabError", "connect", "cut", "down", "exec_on", "images", "power_cycle", "power_off", "power_on",
           "reload_prometheus", "restore", "set_alert_webhook", "up"]  # fmt: skip


@dataclass(frozen=True)
class Lab:
    """Where the parts of the running cluster are."""

    home: Path
    kubeconfig: Path
    bin: Path  # kubectl and helm
    registry: str  # host:port, the same from the host, from nodes and from pods
    registry_ca: Path
    prometheus_url: str
    prometheus_rules: Path  # *.yaml in here are loaded by reload_prometheus()
    alertmanager_url: str
    nodes: tuple[str, ...]
    edge_nodes: tuple[str, ...]
    audit_log: Path  # one JSON line per request to the API server


def up(progress: Callable[[str], None] = print) -> Lab:
    """Make the cluster run, built first where needed. Raises LabError with what to do."""
    cluster = Cluster(Home.default())
    cluster.up(Progress(progress))
    return _describe(cluster)


def connect() -> Lab:
    """The cluster that runs. Raises LabError where none does."""
    cluster = Cluster(Home.default())
    if not cluster.is_running():
        raise LabError("the lab is not up (or only in part): run `python -m lab up`")
    return _describe(cluster)


def down(progress: Callable[[str], None] = print, *, everything: bool = False) -> None:
    """Remove the cluster; with `everything` the built commands and images as well."""
    Cluster(Home.default()).down(Progress(progress), everything=everything)


def cut(node: str) -> None:
    """Pull the network cable of a node; its pods go on running."""
    network.cut(node)


def restore(node: str) -> None:
    """Plug the network cable of a node in again."""
    network.restore(node)


def power_off(node: str) -> None:
    """Cut the power of a node: its processes end at once, what its disk holds stays. The cable stays as it is."""
    cluster = Cluster(Home.default())
    nodes.power_off(cluster.home, cluster.table, network.node(node))


def power_on(node: str) -> None:
    """Start a node again."""
    cluster = Cluster(Home.default())
    nodes.power_on(cluster.home, cluster.table, network.node(node))


def power_cycle(node: str) -> None:
    """Cut the power of a node and start it again."""
    power_off(node)
    power_on(node)


def exec_on(
    node: str, command: Sequence[str], *, check: bool = False, timeout_s: float | None = 60
) -> CompletedProcess[str]:
    """Run a command of the host in a node's network, also while its cable is cut."""
    return shell.run(network.inside(network.node(node), list(command)), check=check, timeout_s=timeout_s)


def images(names: Sequence[str] = (), progress: Callable[[str], None] = print) -> dict[str, str]:
    """Build and push the project's images (or those named) unless unchanged; their references by name."""
    return container_images.ensure(Home.default(), names, Progress(progress))


def set_alert_webhook(url: str | None, bearer_token: str = "") -> None:
    """Have Alertmanager send every alert to `url` (None: nowhere) with this token."""
    addons.set_alert_webhook(Home.default(), url, bearer_token)


def reload_prometheus() -> None:
    """Have Prometheus read its rule files again. Raises LabError where it refuses them."""
    addons.reload(addons.PROMETHEUS_URL)


def _describe(cluster: Cluster) -> Lab:
    home = cluster.home
    return Lab(
        home=home.root,
        kubeconfig=home.kubeconfig,
        bin=home.bin,
        registry=network.REGISTRY,
        registry_ca=cluster.authority.certificate,
        prometheus_url=addons.PROMETHEUS_URL,
        prometheus_rules=home.prometheus_rules,
        alertmanager_url=addons.ALERTMANAGER_URL,
        nodes=tuple(each.name for each in network.NODES),
        edge_nodes=tuple(each.name for each in network.NODES if each.edge),
        audit_log=home.logs / "audit.log",
    )
