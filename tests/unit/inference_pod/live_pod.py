"""A running pod: the real command in a process of its own, asked over its two ports."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemodel.wish import Wish
from tests.unit.inference_pod.tiny_bundles import ONE

BODY = json.dumps(
    {"inputs": [{"name": "x", "shape": [1, 1, 2, 2], "datatype": "FP32", "data": ONE.reshape(-1).tolist()}]}
)
INFER = "/v2/models/tiny/infer"


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    """Return as soon as `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        threading.Event().wait(0.02)


@dataclass
class Pod:
    """One ``edgemodel-serve``."""

    folder: Path
    process: "subprocess.Popen[str] | None" = None
    port: int = 0
    admin_port: int = 0
    grpc_port: int = 0
    before: str = ""
    """Statements that the process runs first."""
    in_worker: str = ""
    """Statements that each of its workers runs first."""
    logs: list[dict[str, Any]] = field(default_factory=list)

    def wish(self, wish: Wish) -> None:
        """Put a wish where the kubelet would."""
        new = self.folder / "wish.json.new"
        new.write_text(wish.dump())
        new.replace(self.folder / "wish.json")

    def start(self, **environment: str) -> None:
        own = {
            "EDGEMODEL_NAME": "tiny",
            "EDGEMODEL_NAMESPACE": "plant-a",
            "EDGEMODEL_NODE": "edge-1",
            "EDGEMODEL_WISH": str(self.folder / "wish.json"),
            "EDGEMODEL_STATE": str(self.folder / "state"),
            "EDGEMODEL_PORT": "0",
            "EDGEMODEL_ADMIN_PORT": "0",
        }
        self._launch([], {**own, **environment})

    def serve(self, *arguments: str) -> None:
        """Start as a person does on a bare machine: by options, without a wish."""
        ports = ("--port", "0", "--admin-port", "0")
        self._launch(["--name", "tiny", *ports, "--state", str(self.folder / "state"), *arguments], {})

    def _launch(self, arguments: list[str], environment: dict[str, str]) -> None:
        command = [
            sys.executable,
            "-c",
            f"{self.before}from edgemodel_inference.processes.supervisor import main; main()",
            *arguments,
        ]
        own = {**os.environ, **environment, **self._customized()}
        self.process = subprocess.Popen(command, env=own, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read_logs, args=(self.process,), daemon=True).start()
        wait_until(lambda: self.logged("listening"), "listening")
        listening = self.logged("listening")[-1]
        self.port, self.admin_port = listening["port"], listening["admin_port"]
        self.grpc_port = listening["grpc_port"] or 0

    def _customized(self) -> dict[str, str]:
        """What makes Python run `in_worker`, and only in workers."""
        if not self.in_worker:
            return {}
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        own = textwrap.indent(self.in_worker, "    ")
        condition = "if 'edgemodel_inference.processes.worker' in sys.orig_argv"
        (site / "sitecustomize.py").write_text(f"import sys\n{condition}:\n{own}\n")
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))}

    def _read_logs(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.logs.append(json.loads(line))

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in list(self.logs) if entry["event"] == event]

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def admin(self, path: str) -> tuple[int, str]:
        return ask(self.admin_port, "GET", path)

    def ready(self) -> bool:
        return self.admin("/readyz")[0] == 200

    def await_ready(self) -> None:
        wait_until(self.ready, "ready")

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.admin("/status")[1]))

    def worker(self) -> dict[str, Any]:
        return dict(self.status()["worker"] or {})

    def worker_pid(self) -> int:
        return int(self.status()["supervisor"]["worker"] or 0)

    def await_version(self, name: str) -> None:
        wait_until(lambda: (self.worker().get("active") or {}).get("name") == name, f"version {name}")

    def await_revision(self, revision: int) -> None:
        wait_until(lambda: self.worker().get("revision") == revision, f"revision {revision}")

    def series(self, name: str) -> list[str]:
        return [line for line in self.admin("/metrics")[1].splitlines() if line.startswith(name)]


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Pod]:
    """A pod that serves as a person starts it, ready; ended with the block."""
    pod = Pod(folder)
    try:
        pod.serve(*arguments)
        pod.await_ready()
        yield pod
    finally:
        if pod.process is not None:
            pod.process.kill()
            pod.process.wait()


def ask(port: int, method: str, path: str, body: str | bytes | None = None, **headers: str) -> tuple[int, str]:
    """One request on a connection of its own; status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@dataclass
class Load:
    """What callers saw, by status and version, or by the error that they met."""

    answers: "Counter[str]" = field(default_factory=Counter)
    mixed: list[tuple[str | None, ...]] = field(default_factory=list)
    """Answers whose header and body name different versions."""
    last_asked: dict[str, float] = field(default_factory=dict)
    """By version: when the last request began, on the monotonic clock, that this version answered."""

    @property
    def good(self) -> int:
        return sum(count for what, count in self.answers.items() if what.startswith("200"))

    @property
    def failed(self) -> dict[str, int]:
        return {what: count for what, count in self.answers.items() if not what.startswith("200")}


@contextlib.contextmanager
def load(port: int, callers: int = 4, pause: float = 0.0) -> Iterator[Load]:
    """Callers on kept-alive connections that ask again after `pause` seconds.

    A connection is reopened when the server says so.
    """
    seen, stop = Load(), threading.Event()
    threads = [threading.Thread(target=_call, args=(port, seen, stop, pause), daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def _call(port: int, seen: Load, stop: threading.Event, pause: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    while not stop.wait(pause):
        began = time.monotonic()
        try:
            connection.request("POST", INFER, BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            seen.answers[type(error).__name__] += 1
            connection.close()
            continue
        version = answer.headers["x-model-version"]
        seen.answers[f"{answer.status} {version}"] += 1
        seen.last_asked[str(version)] = max(began, seen.last_asked.get(str(version), 0.0))
        if answer.status == 200 and document["model_version"] != version:
            seen.mixed.append((version, document["model_version"]))
    connection.close()
