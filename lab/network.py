"""Addresses of the lab, and the bridge, network namespaces and routes that carry them.

Nothing here is forwarded to the outside: nodes and pods reach each other, the host's address on the bridge, and
nothing else.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.errors import LabError

BRIDGE = "emlab0"
HOST_ADDRESS = "10.89.0.1"  # the host on the bridge; change it here if it clashes with a network of yours
NODE_RANGE = "10.89.0.0/24"
POD_RANGE = "10.90.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
API_PORT = 6443
REGISTRY = f"{HOST_ADDRESS}:5000"
PREFIX = "emlab-"
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class Node:
    """One node of the lab: its name and its addresses."""

    name: str
    address: str
    pods: str  # the range its pods get their addresses from
    edge: bool

    @property
    def namespace(self) -> Path:
        """Its network namespace, for nsenter --net."""
        return NAMESPACES / f"{PREFIX}{self.name}"

    @property
    def link(self) -> str:
        """The host's end of its cable."""
        return f"{PREFIX}{self.name}"


NODES = (
    Node("cloud-1", "10.89.0.11", "10.90.11.0/24", edge=False),
    Node("edge-1", "10.89.0.21", "10.90.21.0/24", edge=True),
    Node("edge-2", "10.89.0.22", "10.90.22.0/24", edge=True),
)
CLOUD = NODES[0]


def node(name: str) -> Node:
    """The node of that name. Raises LabError where there is none."""
    for candidate in NODES:
        if candidate.name == name:
            return candidate
    raise LabError(f"no node {name!r}: choose one of {', '.join(n.name for n in NODES)}")


def create() -> None:
    """Make the bridge, and per node a network namespace with a cable to it, and all routes."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{HOST_ADDRESS}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    for each in NODES:
        name = each.namespace.name
        _ip("netns", "add", name)
        _ip("link", "add", each.link, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", each.link, "master", BRIDGE, "up")
        inside = ("-n", name)
        _ip(*inside, "link", "set", "lo", "up")
        _ip(*inside, "addr", "add", f"{each.address}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        inside_run(each, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    ensure_routes()


def ensure_routes() -> None:
    """Set every route that should be there; one that is there already stays."""
    _ip("route", "replace", "unreachable", POD_RANGE)
    _ip("route", "replace", SERVICE_RANGE, "via", CLOUD.address, "dev", BRIDGE)
    for each in NODES:
        _ip("route", "replace", each.pods, "via", each.address, "dev", BRIDGE)
        inside = ("-n", each.namespace.name, "route", "replace")
        _ip(*inside, "unreachable", "default")
        _ip(*inside, SERVICE_RANGE, "via", HOST_ADDRESS, "dev", "eth0")
        _ip(*inside, "unreachable", each.pods)
        for other in NODES:
            if other != each:
                _ip(*inside, other.pods, "via", other.address, "dev", "eth0")


def remove() -> None:
    """Take away whatever of the above is there. A namespace's cables and nftables rules go with it."""
    for each in NODES:
        if each.namespace.exists():
            _ip("netns", "del", each.namespace.name)
        _ip("link", "del", each.link, check=False)
    _ip("link", "del", BRIDGE, check=False)
    _ip("route", "del", "unreachable", POD_RANGE, check=False)


def cut(name: str) -> None:
    """Pull a node's cable; nothing else changes."""
    _ip("link", "set", node(name).link, "down")


def restore(name: str) -> None:
    """Plug a node's cable in again."""
    _ip("link", "set", node(name).link, "up")
    ensure_routes()


def is_cut(name: str) -> bool:
    """Whether a node's cable is unplugged."""
    shown = shell.run(["ip", "-json", "link", "show", "dev", node(name).link], check=False)
    return shown.returncode == 0 and "UP" not in json.loads(shown.stdout)[0]["flags"]


def inside(each: Node, argv: list[str]) -> list[str]:
    """The command line that runs `argv` in a node's network namespace."""
    return ["nsenter", f"--net={each.namespace}", "--", *argv]


def inside_run(each: Node, argv: list[str]) -> str:
    """Run a command in a node's network namespace and return what it printed."""
    return shell.run(inside(each, argv)).stdout


def check_free() -> None:
    """Raise LabError where the machine already uses the bridge's range for something else."""
    for line in shell.run(["ip", "-o", "-4", "addr", "show"]).stdout.splitlines():
        fields = line.split()
        if fields[1] != BRIDGE and fields[3].startswith("10.89.0."):
            raise LabError(f"{fields[1]} already has {fields[3]}: change the ranges in lab/network.py")


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _ip(*arguments: str, check: bool = True) -> None:
    shell.run(["ip", *arguments], check=check)
