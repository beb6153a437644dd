"""Several workers on one machine: this process leads, and starts the others."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edgemodel.distillation import Order
from edgemodel_distill.config import Post

_HOST = "127.0.0.1"
_PATIENCE = 10
"""Seconds that helpers get to end by themselves once the leader has; then they are killed."""

_OWN = ("EDGEMODEL_RESULT", "EDGEMODEL_METRICS_PORT", "EDGEMODEL_DISTILL_ORDER")
"""Variables that are the leader's alone."""


@contextmanager
def helpers(order: Order, workers: int, work: Path) -> Iterator[Post]:
    """The leader's place among `workers`, the others of which are processes in here; nothing leaves the machine."""
    if workers == 1:
        yield Post()
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    work.mkdir(parents=True, exist_ok=True)
    (work / "order.json").write_text(order.dump(), encoding="utf-8")
    listener = socket.create_server((_HOST, 0))
    port = int(listener.getsockname()[1])
    with ExitStack() as running:
        for rank in range(1, workers):
            running.enter_context(_helper(work, _environment(os.environ, rank, workers, port, work)))
        yield Post(workers=workers, leader=_HOST, port=port, listener=listener.detach())


@contextmanager
def _helper(work: Path, environment: Mapping[str, str]) -> Iterator[None]:
    command = [sys.executable, "-P", "-m", "edgemodel_distill", "--order", str(work / "order.json")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment(ours: Mapping[str, str], rank: int, workers: int, port: int, work: Path) -> dict[str, str]:
    place = {"RANK": str(rank), "WORLD_SIZE": str(workers), "MASTER_ADDR": _HOST, "MASTER_PORT": str(port)}
    kept = {name: value for name, value in ours.items() if name not in _OWN}
    # A student of one's own is found where the leader finds it: with `-P` this makes its path theirs.
    path = os.pathsep.join(filter(None, sys.path))
    return {**kept, **place, "PYTHONPATH": path, "EDGEMODEL_WORK": str(work / f"worker-{rank}")}
