"""A namespace with an EdgeModel on two nodes that no kubelet runs, and short words for what tests do there."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from edgemodel import wish
from edgemodel_operator.cluster.client import RESOURCES
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.operator_process import TOKEN, Operator
from tests.apiserver.plain_api import PlainApi, RefusedError

EDGE = {"operator-tests": "edge"}
V1, V2 = ({"name": f"v{i}", "uri": "oci://registry:5000/m", "digest": f"sha256:{i:064x}"} for i in (1, 2))
CHILDREN = ("configmap/digits-wish", "daemonset/digits", "service/digits")
REST = 1.6
"""Seconds without a write after which the operator is at rest: three readings of the signals."""
WORDS = {"em": RESOURCES["EdgeModel"]} | {kind.lower(): resource for kind, resource in RESOURCES.items()}

Body = dict[str, Any]


def edgemodel(**spec: Any) -> Body:
    """An EdgeModel on the nodes of these tests, with short times."""
    rule = {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.7}
    wanted: Body = {
        "versions": [V1, V2],
        "version": "v1",
        "placement": {"nodeSelector": EDGE},
        "health": {"rules": [rule]},
        "healing": {
            "strategies": [{"faults": ["low-confidence"], "actions": [{"type": "SwitchModel"}]}],
            "settle": "1s",
            "minSamples": 1,
        },
        "rollout": {"steps": [{"nodes": 1, "hold": "1s"}], "judge": {"minSamples": 1}},
    }
    return {
        "apiVersion": "edgemodel.dev/v1alpha1",
        "kind": "EdgeModel",
        "metadata": {"name": "digits"},
        "spec": wanted | spec,
    }


class Space:
    """A namespace of its own; what is asked again and again is asked without starting a command."""

    def __init__(self, kubectl: Kubectl, api: PlainApi, name: str) -> None:
        self.kubectl, self.api, self.name = kubectl, api, name

    def apply(self, body: Body) -> None:
        applied = self.kubectl.apply(body, "-n", self.name)
        assert applied.returncode == 0, applied.stderr

    def get(self, what: str) -> Body:
        """An object, for example ``configmap/digits-wish``, or a list."""
        found = self.look(what)
        if found is None:
            raise RefusedError(f"{what}: not found")
        return found

    def look(self, what: str) -> Body | None:
        """The same; None where it is not there."""
        word, _, name = what.partition("/")
        return self.api.get(WORDS[word].path(self.name, name))

    def run(self, *arguments: str) -> str:
        answer = self.kubectl.run(*arguments, "-n", self.name)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def status(self) -> Body:
        status: Body = self.get("em/digits").get("status", {})
        return status

    def condition(self, type_: str) -> tuple[str, str]:
        found = [c for c in self.status().get("conditions", []) if c["type"] == type_]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def wish(self) -> wish.Wish:
        return wish.parse(self.get("configmap/digits-wish")["data"][wish.FILE_NAME])

    def versions(self, objects: Sequence[str]) -> dict[str, str]:
        return {what: self.get(what)["metadata"]["resourceVersion"] for what in objects}


def installed(space: Space) -> bool:
    """Whether the children are there and the status speaks of the spec."""
    return all(space.get(child) for child in CHILDREN) and space.status()["observedGeneration"] > 0


def at_rest(space: Space, objects: Sequence[str] = ("em/digits", *CHILDREN), seconds: float = REST) -> dict[str, str]:
    """Resource versions that stood still for `seconds`."""
    since, seen = time.monotonic(), space.versions(objects)
    deadline = since + 30
    while time.monotonic() - since < seconds:
        assert time.monotonic() < deadline, "something is written again and again"
        if (now := space.versions(objects)) != seen:
            since, seen = time.monotonic(), now
    return seen


def alert(space: Space, start: str = "2026-01-01T00:00:00Z", status: str = "firing", truncated: int = 0) -> bytes:
    """What Alertmanager posts: one alert about all nodes of the EdgeModel."""
    labels = {"edgemodel": "digits", "namespace": space.name, "fault": "low-confidence"}
    item = {"status": status, "labels": labels, "startsAt": start, "fingerprint": "f1"}
    return json.dumps({"version": "4", "truncatedAlerts": truncated, "alerts": [item]}).encode()


def post(operator: Operator, body: bytes, token: str = TOKEN, content: str = "application/json") -> int:
    """Post to the operator's webhook; the status of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
    request = urllib.request.Request(
        f"http://127.0.0.1:{operator.webhook_port}/alerts", data=body, headers=headers, method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
