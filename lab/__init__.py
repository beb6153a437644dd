"""A disposable real Kubernetes cluster for the demo and the tests.

`up()` makes it run and returns a `Lab` that says where everything is; the other functions act on the running one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from subprocess import CompletedProcess

from lab import choice, monitoring, shell
from lab.cluster import Cluster
from lab.driver import Driver, Lab
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.kind import Kind
from lab.progress import Progress

__all__ = [
    "Lab",
    "LabError",
    "connect",
    "cut",
    "down",
    "driver",
    "exec_on",
    "images",
    "power_cycle",
    "power_off",
    "power_on",
    "reload_prometheus",
    "restore",
    "set_alert_webhook",
    "up",
]


def driver() -> Driver:
    """How this machine runs the cluster: by kind where Docker and kind are present, else built from source."""
    home = Home.default()
    return Kind(home) if choice.kind(home) else Cluster(home)


def up(progress: Callable[[str], None] = print) -> Lab:
    """Make the cluster run, built first where needed. Raises LabError with what to do."""
    cluster = driver()
    cluster.up(Progress(progress))
    return cluster.describe()


def connect() -> Lab:
    """The cluster that runs. Raises LabError where none does."""
    cluster = driver()
    if not cluster.is_running():
        raise LabError("the lab is not up (or only in part): run `python -m lab up`")
    return cluster.describe()


def down(progress: Callable[[str], None] = print, *, everything: bool = False) -> None:
    """Remove the cluster; with `everything` the built commands and images as well."""
    driver().down(Progress(progress), everything=everything)


def cut(node: str) -> None:
    """Pull the network cable of a node; its pods go on running."""
    driver().cut(node)


def restore(node: str) -> None:
    """Plug the network cable of a node in again."""
    driver().restore(node)


def power_off(node: str) -> None:
    """Cut the power of a node: its processes end at once, what its disk holds stays. The cable stays as it is."""
    driver().power_off(node)


def power_on(node: str) -> None:
    """Start a node again. Without its cable its kubelet starts no pod: it learns of pods from the API server only."""
    driver().power_on(node)


def power_cycle(node: str) -> None:
    """Cut the power of a node and start it again."""
    power_off(node)
    power_on(node)


def exec_on(
    node: str, command: Sequence[str], *, check: bool = False, timeout_s: float | None = 60
) -> CompletedProcess[str]:
    """Run a command in a node's network, also while its cable is cut. Only sh and curl are sure to be there."""
    return shell.run(driver().on_node(node, command), check=check, timeout_s=timeout_s)


def images(names: Sequence[str] = (), progress: Callable[[str], None] = print) -> dict[str, str]:
    """Build and push the project's images (or those named) unless unchanged; their references by name."""
    return driver().images(names, Progress(progress), REPOSITORY)


def set_alert_webhook(url: str | None, bearer_token: str = "") -> None:
    """Have Alertmanager send every alert to `url` (None: nowhere) with this token."""
    running = connect()
    monitoring.set_alert_webhook(Home(running.home), running.alertmanager_url, url, bearer_token)


def reload_prometheus() -> None:
    """Have Prometheus read its rule files again. Raises LabError where it refuses them."""
    monitoring.reload(connect().prometheus_url)
