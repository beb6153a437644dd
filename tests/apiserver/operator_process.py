"""The real operator as a process against a real API server, and stand-ins for nodes and pods that no kubelet runs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from edgemodel import series
from edgemodel_operator.model import naming
from lab.network import free_port
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
        except (AssertionError, KeyError, IndexError):
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {within} s: {what}\n{say()}"
        time.sleep(0.05)


@dataclass
class Operator:
    """`python -m edgemodel_operator`; end it with the `with` block, or kill it before."""

    kubeconfig: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    webhook_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)

    @property
    def log(self) -> str:
        """Everything it has said so far."""
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
            "OPERATOR_INFERENCE_IMAGE": "registry/inference:1",
            "OPERATOR_DISTILL_IMAGE": "registry/distill:1",
            "OPERATOR_PROMETHEUS_URL": prometheus,
            "OPERATOR_SIGNAL_INTERVAL": "0.5",
            "OPERATOR_WEBHOOK_PORT": str(self.webhook_port),
            "OPERATOR_WEBHOOK_TOKEN_FILE": str(token),
            "OPERATOR_HEALTH_PORT": str(free_port()),
            "OPERATOR_METRICS_PORT": str(self.metrics_port),
        }
        starts = self.log.count('"event": "started"')
        with (self.folder / "operator.log").open("ab") as log:
            self.process = subprocess.Popen(  # ended by `kill` or `stop`
                [sys.executable, "-m", "edgemodel_operator"],
                env=os.environ | settings | variables,
                stdout=log,
                stderr=log,
            )
        wait_for(
            "the operator starts", lambda: self.log.count('"event": "started"') > starts, say=lambda: self.log[-3000:]
        )

    def kill(self) -> None:
        """SIGKILL: no time for anything."""
        self._end(signal.SIGKILL, 10)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        return self._end(signal.SIGTERM, 15)

    def _end(self, number: signal.Signals, within: float) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(within)
        finally:
            process.kill()
            process.wait()


@dataclass
class FakePod:
    """A serving pod made by hand on a node made by hand: its metrics are real HTTP on a loopback address."""

    node: str
    address: str
    lines: dict[str, float] = field(default_factory=dict)

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
        for fault, active in faults.items():
            figures[series.FAULT_ACTIVE, f'fault="{fault.replace("_", "-")}"'] = float(active)
        self.say(model, namespace, figures)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer scrapes within the block."""
        pod = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f"{line} {value}\n" for line, value in pod.lines.items()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
                """Say nothing."""

        server = ThreadingHTTPServer((self.address, series.PORT_ADMIN), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

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
