"""The peer that every cluster has: a liveness probe at its defaults, of a plain pod of the inference image.

The pod heals nothing by itself. Its probe asks what callers ask and fails on a bad answer; what the kubelet then starts
is the good version, which is the most that a restart can do.
"""

import base64
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab
from lab.demo.kube import Kube
from lab.shell import wait_for
from tests.bench.healing.caller import QUESTIONS, Caller
from tests.bench.healing.ours import READY_LIMIT
from tests.bench.healing.scene import CLASSES, GOOD, WANTED, Versions

NAMESPACE, NODE, PORT = "bench-healing", "edge-1", 8080

START = f"""
for file in /material/*--*; do
  name=${{file#/material/}}; folder=/work/${{name%%--*}}
  mkdir -p $folder && cp -L $file $folder/${{name#*--}}
done
version={GOOD}; [ -e /work/again ] || version=brittle; touch /work/again
exec edgemodel-serve --bundle /work/$version --name bench --state /work/state-$version
"""
"""The first start serves the brittle version, the next one the good one."""

PROBE = f"""
import http.client, os, struct, sys
kind = "strange" if os.path.exists("/work/strange") else "plain"
body = open(f"/material/{{kind}}", "rb").read()
connection = http.client.HTTPConnection("127.0.0.1", {PORT}, timeout=1)
connection.request("POST", {QUESTIONS[True].path!r}, body, {dict(QUESTIONS[True].headers)!r})
answer = connection.getresponse()
data = answer.read()
scores = struct.unpack("<{CLASSES}f", data[int(answer.headers["Inference-Header-Content-Length"]):])
sys.exit(not 0 < scores[{WANTED}] == max(scores))
"""


@dataclass
class Kubelet:
    """One pod after the other, each with its own caller."""

    name: str
    kube: Kube
    image: str
    period: float = 10.0
    trials: int = 1
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)
    _pod: str = field(default="", init=False)
    _calling: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _caller: Caller | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.recover()

    @property
    def caller(self) -> Caller:
        assert self._caller is not None, "ready"
        return self._caller

    def make_ready(self) -> None:
        status: dict[str, Any] = {}

        def runs() -> bool:
            status.update((self.kube.get("pod", self._pod, NAMESPACE) or {}).get("status", {}))
            return bool(status.get("podIP")) and status["containerStatuses"][0]["ready"]

        wait_for(f"pod {self._pod}", runs, READY_LIMIT)
        self._caller = Caller(status["podIP"], PORT)
        self._calling.enter_context(self._caller.calling())
        answers = self.caller.answers
        wait_for("a good answer of the pod", lambda: any(good for _, good in answers()), READY_LIMIT)
        if status["containerStatuses"][0]["restartCount"]:
            raise RuntimeError(f"pod {self._pod} was started again before there was a fault: the machine is too busy")

    def begin_fault(self) -> None:
        self.kube.run("exec", self._pod, "-n", NAMESPACE, "--", "touch", "/work/strange")
        self.caller.strange = True

    def recover(self) -> None:
        self.close()
        self._pod = f"bench-{next(self._numbers)}"
        self.kube.apply(_pod(self._pod, self.image))

    def close(self) -> None:
        """Remove the pod."""
        self._calling.close()
        if self._pod:
            self.kube.run("delete", "pod", self._pod, "-n", NAMESPACE, "--wait=false", "--ignore-not-found")


@contextlib.contextmanager
def kubelet(name: str, folder: Path) -> Iterator[Kubelet]:
    """The running lab's.

    Raises:
        LabError: the lab does not run.
    """
    kube = Kube.of(lab.connect())
    image = lab.images(["inference"], progress=lambda _: None)["inference"]
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, _material(folder))
    try:
        with contextlib.closing(Kubelet(name, kube, image)) as peer:
            yield peer
    finally:
        kube.run("delete", "namespace", NAMESPACE, "--wait=false")


def _material(folder: Path) -> dict[str, Any]:
    versions = Versions(folder)
    folders = {GOOD: folder / GOOD, "brittle": folder / versions.another_brittle()}
    files = {f"{name}--{path.name}": path.read_bytes() for name, each in folders.items() for path in each.iterdir()}
    files |= {"strange" if strange else "plain": question.body for strange, question in QUESTIONS.items()}
    binary = {name: base64.b64encode(data).decode() for name, data in files.items()}
    metadata = {"name": "material", "namespace": NAMESPACE}
    script = {"probe.py": PROBE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": script, "binaryData": binary}


def _pod(name: str, image: str) -> dict[str, Any]:
    container = {
        "name": "serve",
        "image": image,
        "command": ["sh", "-c", START],
        "livenessProbe": {"exec": {"command": ["/opt/venv/bin/python", "-I", "/material/probe.py"]}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 1},
        # As much of a busy machine as any other process: a pod that asks for none gets what is left over.
        "resources": {"requests": {"cpu": "1", "memory": "256Mi"}},
        "volumeMounts": [{"name": "material", "mountPath": "/material"}, {"name": "work", "mountPath": "/work"}],
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": NODE},
        "tolerations": [{"operator": "Exists"}],
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532},
        "containers": [container],
        "volumes": [{"name": "material", "configMap": {"name": "material"}}, {"name": "work", "emptyDir": {}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
