"""The nodes of kind's cluster, each a container: their cables and their power."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import shell

NAME = "edgemodel-lab"
CONTROL_PLANE = f"{NAME}-control-plane"
CLOUD = f"{NAME}-worker"
EDGES = (f"{NAME}-worker2", f"{NAME}-worker3")
WORKERS = (CLOUD, *EDGES)
# All that passes the node's cable is dropped; its addresses and routes stay, as they do when a real cable is pulled.
CABLE_CUT = """
table inet edgemodel_lab_cut {
  chain in { type filter hook prerouting priority -350; iifname "eth0" drop; }
  chain out { type filter hook postrouting priority 350; oifname "eth0" drop; }
}
"""
CABLE_WHOLE = "table inet edgemodel_lab_cut\ndelete table inet edgemodel_lab_cut\n"


@dataclass(frozen=True)
class Worker:
    """One node that runs pods."""

    name: str
    mark: Path
    """Is there while the cable is cut: a container that is started again has forgotten it."""

    @property
    def is_cut(self) -> bool:
        """Whether its cable is cut."""
        return self.mark.exists()

    def cut(self) -> None:
        """Pull its cable."""
        self._nft(CABLE_WHOLE + CABLE_CUT)
        self.mark.touch()

    def restore(self) -> None:
        """Plug its cable in."""
        self._nft(CABLE_WHOLE)
        self.mark.unlink(missing_ok=True)

    def power_off(self) -> None:
        """End all its processes at once; its disk and its cable stay as they are."""
        shell.run(["docker", "kill", self.name])

    def power_on(self) -> None:
        """Start it again."""
        shell.run(["docker", "start", self.name])
        if self.is_cut:
            self.cut()

    def _nft(self, rules: str) -> None:
        shell.run(["docker", "exec", "--interactive", self.name, "nft", "-f", "-"], stdin=rules)
