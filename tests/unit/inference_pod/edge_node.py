"""A node without its process, for tests of what it does with a wish."""

import time
from pathlib import Path

from edgemodel.wish import Wish
from edgemodel_inference.config.settings import ensure_state, read
from edgemodel_inference.node import Node
from edgemodel_inference.wish.agent import Agent


class Edge:
    """A node without its process: its agent is stepped by hand."""

    def __init__(self, folder: Path, **other: str) -> None:
        """`other`: further variables of its environment."""
        self.wish_file = folder / "wish.json"
        names = {"NODE": "edge-1", "WISH": str(self.wish_file), "STATE": str(folder / "state")}
        self._settings = read({f"EDGEMODEL_{name}": value for name, value in names.items()} | other)
        ensure_state(self._settings)
        self.restart()

    def restart(self) -> None:
        """Another process on the same disk."""
        self.node = Node(self._settings, {}, lambda _: None, lambda _: None)
        self.node.restore()

    @property
    def agent(self) -> Agent:
        return self.node._agent

    def follow(self, new: Wish, steps: int = 3) -> None:
        """Put a wish where the kubelet would, and let the agent look at it."""
        self.wish_file.write_text(new.dump())
        for _ in range(steps):
            self.agent.step(time.monotonic())

    @property
    def serves(self) -> str | None:
        active = self.node.engine.active
        return active.version if active else None

    @property
    def falls_back_to(self) -> str | None:
        backup = self.node.engine.backup
        return backup.version if backup else None

    @property
    def pending(self) -> tuple[str, str] | None:
        """Version and code of what the node waits for, as its metrics say."""
        pending = self.node._read().pending
        return None if pending is None else (pending[0], pending[2])

    @property
    def refused(self) -> dict[str, str]:
        return {refusal.version: refusal.reason for refusal in self.node._refusals.all()}
