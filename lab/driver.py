"""What a cluster for the demo and the tests can do, whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab.home import Home
from lab.progress import Progress


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
    audit_log: Path | None  # one JSON line per request to the API server, where the driver keeps it


class Driver(Protocol):
    """A way to run the cluster. Every method raises LabError that says what to do."""

    @property
    def home(self) -> Home:
        """The folder it keeps everything in."""
        ...

    def up(self, progress: Progress) -> None:
        """Make the cluster run; one that runs already stays, its cables plugged in."""
        ...

    def down(self, progress: Progress, *, everything: bool) -> None:
        """Remove the cluster; with `everything` what was built as well."""
        ...

    def prepare(self, progress: Progress) -> None:
        """Install and build what `up` needs."""
        ...

    def is_running(self) -> bool:
        """Whether all of it runs."""
        ...

    def describe(self) -> Lab:
        """Where its parts are."""
        ...

    def status(self) -> dict[str, Any]:
        """What runs, as plain data."""
        ...

    def cut(self, node: str) -> None:
        """Pull a node's cable."""
        ...

    def restore(self, node: str) -> None:
        """Plug a node's cable in."""
        ...

    def power_off(self, node: str) -> None:
        """End all processes of a node at once."""
        ...

    def power_on(self, node: str) -> None:
        """Start a node again."""
        ...

    def on_node(self, node: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in a node's network."""
        ...

    def images(self, names: Sequence[str], progress: Progress, repository: Path) -> dict[str, str]:
        """Build and publish images whose inputs changed; their references by name."""
        ...
