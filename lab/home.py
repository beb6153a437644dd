"""Where everything that the lab makes lives: one folder, and a lock on it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import LabError

LOCK_WAIT_S = 1200
REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """The folder of one lab and the names of what is in it."""

    root: Path

    @classmethod
    def default(cls) -> Home:
        """The folder named by LAB_HOME, else `edgemodel-lab` in the user's cache."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(Path(os.environ.get("LAB_HOME") or cache / "edgemodel-lab").absolute())

    @property
    def bin(self) -> Path:
        """Links to the commands that were built: kubectl, helm, kubelet and the others."""
        return self.root / "bin"

    @property
    def build(self) -> Path:
        """What is costly to make and survives `down`: binaries and the base image, keyed by their inputs."""
        return self.root / "build"

    @property
    def pki(self) -> Path:
        """Keys and certificates of the running cluster; `ca.crt` signs them all, the registry's included."""
        return self.root / "pki"

    @property
    def etc(self) -> Path:
        """Configuration files and kubeconfigs of the components."""
        return self.root / "etc"

    @property
    def run(self) -> Path:
        """The record of running processes."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One log file per process, and the API server's audit log."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """State of etcd, nodes, Prometheus and Alertmanager: thrown away by `down`."""
        return self.root / "data"

    @property
    def registry(self) -> Path:
        """Blobs of the image registry: survives `down`, so images are pushed once."""
        return self.root / "registry"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def prometheus_rules(self) -> Path:
        """Rule files (*.yaml) that Prometheus loads on POST /-/reload."""
        return self.root / "prometheus" / "rules"

    @property
    def alertmanager_config(self) -> Path:
        """Alertmanager's configuration file."""
        return self.root / "alertmanager" / "alertmanager.yml"

    def make_folders(self) -> None:
        """Create the folders that every command may write to."""
        for folder in (self.bin, self.build, self.pki, self.etc, self.run, self.logs, self.data, self.registry):
            folder.mkdir(parents=True, exist_ok=True)
        self.prometheus_rules.mkdir(parents=True, exist_ok=True)
        self.alertmanager_config.parent.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        self.pki.chmod(0o755)

    @contextmanager
    def locked(self, say: Callable[[str], None], name: str = "lab") -> Iterator[None]:
        """Hold the lock `name`, so that two commands never change the same thing at once; wait for another to end.

        Raises LabError where it does not end within 20 minutes.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / f"{name}.lock"
        with path.open("a+") as handle:
            deadline = time.monotonic() + LOCK_WAIT_S
            waiting = False
            while not _try_lock(handle):
                holder = path.read_text().strip() or "unknown"
                if time.monotonic() > deadline:
                    raise LabError(f"process {holder} still holds {path}: end it, then try again")
                if not waiting:
                    say(f"waiting for process {holder}, which holds {path}")
                    waiting = True
                time.sleep(0.2)
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
