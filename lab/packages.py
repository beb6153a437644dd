"""Debian packages that the self-built cluster and the tests need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import shell
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress

CNI_PLUGINS = Path("/usr/lib/cni")
COMMANDS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "docker-registry": "docker-registry",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "openssl": "openssl",
    "cc": "build-essential",  # the clock that jumps, in the tests of the inference pod
    "nsenter": "util-linux",
    "mount": "mount",
}


def missing() -> list[str]:
    """Packages whose command is not on this machine."""
    absent = {package for command, package in COMMANDS.items() if shell.find(command) is None}
    if not (CNI_PLUGINS / "ptp").exists():
        absent.add("containernetworking-plugins")
    return sorted(absent)


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


def ensure(home: Home, progress: Progress) -> None:
    """Install what is missing, without letting any of it start as a service."""
    absent = missing()
    if not absent:
        return
    if shell.find("apt-get") is None:
        raise LabError(f"this is not a Debian system; install these by hand, then try again: {' '.join(absent)}")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with progress.step(f"installing Debian packages: {' '.join(absent)}"), _no_services():
        shell.run(["apt-get", "update"], env=environment, log=home.logs / "apt-update.log")
        command = ["apt-get", "install", "-y", "--no-install-recommends", *absent]
        shell.run(command, env=environment, log=home.logs / "apt-install.log")
    if still := missing():
        raise LabError(f"apt-get ran, and these are still missing: {' '.join(still)}")
