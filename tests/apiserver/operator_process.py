"""The real operator as a process against a real API server, and stand-ins for nodes and pods that no kubelet runs."""

import itertools
import json
import os
import random
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edgemodel import series
from edgemodel_operator.model import naming
from tests.apiserver.exporter import exporting
from tests.apiserver.kubectl import Kubectl

TOKEN = "webhook-secret"
Body = dict[str, Any]
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], within: float = 30.0, say: Callable[[], str] = str) -> T:
    """What `look` returns once it is true; fails with `what` when it never is. Assertions in `look` are tries."""
    deadline = time.monotonic() + within
    while True:
        try:
            found = look()
            if found:
                return found
        except (AssertionError, KeyError, IndexError) as error:
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within} s: {what}: {error!r}\n{say()}") from error
        assert time.monotonic() < deadline, f"not within {within} s: {what}\n{say()}"
        time.sleep(0.05)


_PORTS = itertools.count(random.randint(12_000, 20_000))  # noqa: S311 (no secret)
"""Below the ephemeral ports, which outgoing connections would take while an operator is dead; none is given twice."""


def _steady_port() -> int:
    """A port for the whole life of one operator, that nobody has now and no other operator gets."""
    for number in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("0.0.0.0", number))
            return number
    raise AssertionError("the count has no end")


class Starter(Protocol):
    """Makes processes and sees to their end: forks, see `nursery.py`, or programs of their own."""

    def start_operator(self, environment: dict[str, str], log: Path) -> int:
        """The process number of a new operator."""
        ...

    def end(self, pid: int, within: float) -> int:
        """The exit status of a process that ends, and is killed where it does not; negative: the signal."""
        ...


@dataclass
class Operator:
    """One operator that may be killed and started again, with the same ports."""

    nursery: Starter
    kubeconfig: Path
    folder: Path
    namespaces: str = ""
    """Those that it watches; empty: all."""
    pid: int = 0
    webhook_port: int = field(default_factory=_steady_port)
    metrics_port: int = field(default_factory=_steady_port)
    health_port: int = field(default_factory=_steady_port)

    @property
    def log(self) -> str:
        """Everything that all of its processes said so far."""
        path = self.folder / "operator.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def writes(self) -> int:
        """How many writes to the API server it has logged."""
        return self.log.count('"event": "wrote"')

    @property
    def ticks(self) -> float:
        """How many times it has looked at an EdgeModel and carried out what there was to do."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith('edgemodel_operator_ticks_total{outcome="ok"}')]
        return float(found[0].split()[-1]) if found else 0.0

    def start(self, prometheus: str = "", **variables: str) -> None:
        """Start it; returns when it has started to watch. It reads `prometheus`, or the pods."""
        token = self.folder / "token"
        token.write_text(TOKEN)
        settings = {
            "KUBECONFIG": str(self.kubeconfig),
            "OPERATOR_NAMESPACES": self.namespaces,
            "OPERATOR_INFERENCE_IMAGE": "registry/inference:1",
            "OPERATOR_DISTILL_IMAGE": "registry/distill:1",
            "OPERATOR_PROMETHEUS_URL": prometheus,
            "OPERATOR_SIGNAL_INTERVAL": "0.5",
            "OPERATOR_WEBHOOK_PORT": str(self.webhook_port),
            "OPERATOR_WEBHOOK_TOKEN_FILE": str(token),
            "OPERATOR_HEALTH_PORT": str(self.health_port),
            "OPERATOR_METRICS_PORT": str(self.metrics_port),
        }
        starts = self.log.count('"event": "started"')
        self.pid = self.nursery.start_operator(settings | variables, self.folder / "operator.log")
        wait_for(
            "the operator starts", lambda: self.log.count('"event": "started"') > starts, say=lambda: self.log[-3000:]
        )

    def kill(self) -> None:
        """SIGKILL: no time for anything; returns when it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that is not enough; its exit status."""
        return self._end(signal.SIGTERM)

    def replace(self) -> None:
        """Kill it and start another."""
        self.kill()
        self.start()

    def _end(self, number: signal.Signals) -> int:
        pid, self.pid = self.pid, 0
        if not pid:
            return 0
        os.kill(pid, number)
        return self.nursery.end(pid, within=15)


@dataclass
class FakePod:
    """A serving pod made by hand on a node made by hand: its metrics are real HTTP on a loopback address."""

    node: str
    address: str
    lines: dict[str, float] = field(default_factory=dict)
    revision: int | None = None
    """Of the wish that it carried out; Prometheus is not believed about a pod that does not tell it."""

    def say(self, model: str, namespace: str, figures: Mapping[tuple[str, str], float]) -> None:
        """Export these figures: (series, further labels) to value."""
        identity = f'edgemodel="{model}",namespace="{namespace}",node="{self.node}"'
        self.lines = {
            f"{name}{{{identity}{',' + labels if labels else ''}}}": value for (name, labels), value in figures.items()
        }

    def serve(self, model: str, namespace: str, artifact: Mapping[str, str], **faults: bool) -> None:
        """Say that `artifact` serves and answers well, and what the rules say."""
        serving = f'version="{artifact["name"]}",digest="{artifact["digest"]}",reason="Wish"'
        figures: dict[tuple[str, str], float] = {
            (series.SERVING_INFO, serving): 1,
            (series.ANSWERED_SINCE_SWITCH, f'version="{artifact["name"]}"'): 1000,
        }
        if self.revision is not None:
            figures[series.WISH_REVISION, ""] = self.revision
        for fault, active in faults.items():
            figures[series.FAULT_ACTIVE, f'fault="{fault.replace("_", "-")}"'] = float(active)
        self.say(model, namespace, figures)

    def listening(self) -> AbstractContextManager[None]:
        """Answer scrapes within the block."""
        return exporting(self.address, lambda: "".join(f"{line} {value}\n" for line, value in self.lines.items()))

    def create(self, kubectl: Kubectl, model: str, namespace: str, owner: Body | None = None) -> None:
        """Make the pod's object, running and ready; `owner` is the workload that made it."""
        metadata: Body = {"name": f"{model}-{self.node}", "namespace": namespace}
        metadata["labels"] = naming.labels(model, naming.SERVING)
        if owner is not None:
            metadata["name"] += f"-{owner['kind'].lower()}"
            metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "name": "x", "controller": True, **owner}]
        spec = {"nodeName": self.node, "containers": [{"name": "inference", "image": "x"}]}
        applied = kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        assert applied.returncode == 0, applied.stderr
        status = {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        patch_status(kubectl, f"pod/{metadata['name']}", status, "-n", namespace)


def patch_status(kubectl: Kubectl, what: str, status: Body, *arguments: str) -> None:
    """Merge into the status of an object."""
    patch = json.dumps({"status": status})
    patched = kubectl.run("patch", what, "--subresource=status", "--type=merge", f"--patch={patch}", *arguments)
    assert patched.returncode == 0, patched.stderr


def create_node(kubectl: Kubectl, name: str, labels: Mapping[str, str]) -> None:
    """Make a node's object, ready."""
    metadata = {"name": name, "labels": dict(labels)}
    applied = kubectl.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    assert applied.returncode == 0, applied.stderr
    patch_status(kubectl, f"node/{name}", {"conditions": [{"type": "Ready", "status": "True"}]})
