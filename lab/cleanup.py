"""Takes down a cluster, or what a crash left of one. Only what the lab itself made is touched."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from lab import network, node
from lab.errors import LabError
from lab.home import Home
from lab.processes import Table
from lab.progress import Progress

OWNER = Path("/run/edgemodel-lab-owner")  # names the LAB_HOME whose bridge and namespaces these are


def table_of(home: Home) -> Table:
    """The record of the processes of the cluster in a LAB_HOME."""
    return Table(home.run / "processes.json")


def check_owner(home: Home) -> None:
    """Raise LabError where a cluster of another LAB_HOME runs: bridge and namespaces exist once per machine."""
    if not OWNER.exists():
        return
    owner = Home(Path(OWNER.read_text().strip()))
    table = table_of(owner)
    if owner != home and len(table.dead()) < len(table.read()):
        raise LabError(f"another lab runs here: LAB_HOME={owner.root} python -m lab down, then try again")


def claim(home: Home) -> None:
    """Say whose the bridge and the namespaces are from now on."""
    OWNER.write_text(str(home.root))


def clean(home: Home, progress: Progress) -> None:
    """End recorded processes, newest first, then remove what they leave in the system and in `home`."""
    table = table_of(home)
    if table.read() or any(each.namespace.exists() for each in network.NODES):
        with progress.step("removing the cluster that was there"):
            _end(table)
            node.remove_cgroups(node.CGROUP)
            network.remove()
    _forget(home)
    OWNER.unlink(missing_ok=True)


def _end(table: Table) -> None:
    for process in table.read().values():
        process.signal(signal.SIGTERM)
    for each in network.NODES:
        node.power_off(table, each)
    for name in reversed(table.read()):
        table.stop(name, grace_s=2)


def _forget(home: Home) -> None:
    node.remove_folders(home)
    for folder in (home.data, home.etc, home.pki, home.run):
        shutil.rmtree(folder, ignore_errors=True)
    for rules in home.prometheus_rules.glob("*.yaml"):
        rules.unlink()
    if home.root.exists():
        home.make_folders()
