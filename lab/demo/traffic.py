"""Load pods on the edge nodes: each asks the model on its own node, as a camera or a gateway there would."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lab
from lab.demo import load
from lab.demo.kube import Kube, Object
from lab.errors import LabError
from lab.shell import until

PORT = 8090
NAME = "digits-load"
CURL_TIMEOUT_S = 30


@dataclass(frozen=True)
class Counts:
    """What the load pods counted, over all nodes."""

    answers: Counter[str]
    failed: int
    right: int
    answered: int
    first: Mapping[str, float]
    last: Mapping[str, float]
    errors: tuple[str, ...]
    samples: Mapping[str, Mapping[str, Any]]

    @property
    def accuracy(self) -> float:
        """Share of right answers in the present window."""
        return self.right / self.answered if self.answered else 0.0


class Traffic:
    """The load pods of one EdgeModel."""

    def __init__(self, kube: Kube, namespace: str, model: str) -> None:
        self._kube, self._namespace, self._model = kube, namespace, model
        self._places: dict[str, str] = {}

    def start(self, image: str, sets: Mapping[str, Path], rate: float) -> None:
        """Run a load pod on each edge node and wait until each has an answer. `rate`: requests per second and node."""
        service = self._kube.get("service", self._model, self._namespace)
        if service is None:
            raise LabError(f"there is no Service {self._namespace}/{self._model}")
        script = Path(load.__file__).read_text()
        images = {f"{name}.npz": base64.b64encode(path.read_bytes()).decode() for name, path in sets.items()}
        metadata = {"name": NAME, "namespace": self._namespace}
        configuration = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"load.py": script},
            "binaryData": images,
        }
        self._kube.apply(configuration, _daemon_set(metadata, image, service["spec"]["clusterIP"], self._model, rate))
        self._places = until("load pods run", self._find, 120)
        until("every load pod has an answer", lambda: all(self._ask(n)["answers"] for n in self._places) or None, 60)

    def stop(self) -> None:
        """Remove the load pods."""
        self._kube.run("delete", "daemonset,configmap", NAME, "-n", self._namespace, "--ignore-not-found")

    def switch(self, mode: str) -> None:
        """Send images of another set from now on."""
        for node in self._places:
            self._ask(node, f"/mode/{mode}")

    def reset(self) -> None:
        """Start the window of accuracy anew."""
        for node in self._places:
            self._ask(node, "/reset")

    def counts(self, nodes: Sequence[str] = ()) -> Counts:
        """What was counted so far on `nodes` (default: all)."""
        stats = {node: self._ask(node) for node in nodes or self._places}
        answers: Counter[str] = Counter()
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        for each in stats.values():
            answers.update(each["answers"])
            for version, moment in each["first"].items():
                first[version] = min(moment, first.get(version, moment))
            for version, moment in each["last"].items():
                last[version] = max(moment, last.get(version, moment))
        return Counts(
            answers=answers,
            failed=sum(each["failed"] for each in stats.values()),
            right=sum(each["window"].get("right", 0) for each in stats.values()),
            answered=sum(each["window"].get("answered", 0) for each in stats.values()),
            first=first,
            last=last,
            errors=tuple(f"{node}: {error}" for node, each in stats.items() for error in each["errors"]),
            samples={node: each["sample"] for node, each in stats.items()},
        )

    def _find(self) -> dict[str, str] | None:
        pods = self._kube.list("pods", self._namespace, f"app={NAME}")
        places = {pod["spec"].get("nodeName", ""): pod["status"].get("podIP", "") for pod in pods}
        return places if pods and all(_ready(pod) for pod in pods) else None

    def _ask(self, node: str, path: str = "/stats") -> dict[str, Any]:
        """Ask a load pod from within its node, so that a cut link does not matter."""
        answer: dict[str, Any] = json.loads(curl(node, f"http://{self._places[node]}:{PORT}{path}", "--fail"))
        return answer


def _ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def curl(node: str, url: str, *arguments: str) -> str:
    """Ask `url` from within a node: kind's host does not reach pods. Raises LabError where it does not answer."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(CURL_TIMEOUT_S), *arguments, url]
    return lab.exec_on(node, command, check=True).stdout


def _daemon_set(metadata: Object, image: str, target: str, model: str, rate: float) -> Object:
    environment = {"TARGET": f"{target}:80", "MODEL": model, "RATE": str(rate), "PORT": str(PORT)}
    container = {
        "name": "load",
        "image": image,
        "command": ["/opt/venv/bin/python", "/load/load.py"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [{"name": "load", "mountPath": "/load"}, {"name": "load", "mountPath": "/images"}],
        "readinessProbe": {"httpGet": {"path": "/stats", "port": PORT}, "periodSeconds": 1},
        "resources": {"limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"node-role.kubernetes.io/edge": ""},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "load", "configMap": {"name": NAME}}],
    }
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": body}
