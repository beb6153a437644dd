"""Debian packages that the tests and the self-built cluster need."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab import shell
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress

CNI_PLUGINS = Path("/usr/lib/cni")
FOR_TESTS = {
    "etcd": "etcd-server",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "docker-registry": "docker-registry",
    "openssl": "openssl",
    "mount": "mount",
    "cc": "build-essential",  # the clock that jumps, in the tests of the inference pod
}
"""Packages by their command: what tests start for themselves, whoever runs the cluster."""
FOR_NODES = {
    "containerd": "containerd",
    "runc": "runc",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "nsenter": "util-linux",
    str(CNI_PLUGINS / "ptp"): "containernetworking-plugins",
}
"""What the self-built nodes need besides."""


def missing(wanted: Mapping[str, str]) -> list[str]:
    """Packages whose command is not on this machine."""
    return sorted({package for command, package in wanted.items() if shell.find(command) is None})


def require_root() -> None:
    """Raise LabError unless this process may make namespaces and mounts."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and mounts: run it as root (or use Docker and kind)")


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their daemons, unless the machine has a policy of its own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def ensure(home: Home, progress: Progress, wanted: Mapping[str, str]) -> None:
    """Install what is missing, without letting any of it start as a service."""
    absent = missing(wanted)
    if not absent:
        return
    if shell.find("apt-get") is None:
        raise LabError(f"this is not a Debian system; install these by hand, then try again: {' '.join(absent)}")
    if os.geteuid() != 0:
        raise LabError(f"only root may install packages: apt-get install {' '.join(absent)}, then try again")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with progress.step(f"installing Debian packages: {' '.join(absent)}"), _no_services():
        shell.run(["apt-get", "update"], env=environment, log=home.logs / "apt-update.log")
        command = ["apt-get", "install", "-y", "--no-install-recommends", *absent]
        shell.run(command, env=environment, log=home.logs / "apt-install.log")
    if still := missing(wanted):
        raise LabError(f"apt-get ran, and these are still missing: {' '.join(still)}")
