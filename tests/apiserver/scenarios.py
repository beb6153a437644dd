"""What people and the weather do to one EdgeModel on a real API server, and what is compared at the end.

A scenario waits for what it needs, does something, and waits for the end; the operator may be killed meanwhile.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgemodel import wish as wish_document
from edgemodel.wish import Wish
from tests.apiserver.fault_proxy import FaultProxy
from tests.apiserver.operator_process import TOKEN, Operator, wait_for
from tests.apiserver.plain_api import Body, PlainApi
from tests.apiserver.space import REST
from tests.apiserver.stand_in import MODEL, StandIn
from tests.unit.operator.plant import artifact, digest, student

EDGE = {"proof": "edge"}
V1, V2 = artifact("v1", 1), artifact("v2", 2)
GROUP = "/apis/edgemodel.dev/v1alpha1"
HEAL = ("fault", "action", "from", "to", "verdict")
PATIENCE = 60.0
"""Seconds within which an operator that was killed anywhere has caught up."""


@dataclass
class Run:
    """One namespace with its operator, its proxy and its stand-ins."""

    api: PlainApi
    namespace: str
    proxy: FaultProxy
    operator: Operator
    stand_in: StandIn
    lock: threading.Lock = field(default_factory=threading.Lock)

    def path(self, name: str = "") -> str:
        """Of the EdgeModels, or of one."""
        return self.stand_in.path(GROUP, "edgemodels", name)

    def apply(self, **spec: Any) -> None:
        """The user applies the EdgeModel."""
        metadata = {"name": MODEL, "namespace": self.namespace}
        body = {"apiVersion": "edgemodel.dev/v1alpha1", "kind": "EdgeModel", "metadata": metadata}
        self.api.apply(self.path(MODEL), body | {"spec": _spec() | spec})

    def status(self) -> Body:
        """The status; empty where there is no EdgeModel."""
        status: Body = (self.api.get(self.path(MODEL)) or {}).get("status", {})
        return status

    def wish(self) -> Wish:
        """What the nodes are told."""
        body = self.api.get(self.stand_in.path("/api/v1", "configmaps", f"{MODEL}-wish"))
        assert body is not None
        return wish_document.parse(body["data"][wish_document.FILE_NAME])

    def until(self, what: str, look: Callable[[Body], object]) -> None:
        """Wait for the status to say something."""
        wait_for(what, lambda: _holds(look, self.status()), PATIENCE, say=self.said)

    def said(self) -> str:
        """The status, and the end of what the operator logged."""
        return f"\n{json.dumps(self.status())[:3000]}\n{self.operator.log[-3000:]}"

    def alert(self, *items: tuple[str, str]) -> None:
        """Deliver alerts (fingerprint, status) as Alertmanager does: again until it is answered with 200."""
        labels = {"edgemodel": MODEL, "namespace": self.namespace, "fault": "low-confidence"}
        known = {"labels": labels, "startsAt": "2026-01-01T00:00:00Z"}
        alerts = [known | {"status": status, "fingerprint": fingerprint} for fingerprint, status in items]
        body = json.dumps({"version": "4", "alerts": alerts}).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.operator.webhook_port}/alerts"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def delivered() -> bool:
            request = urllib.request.Request(url, data=body, headers=headers, method="POST")
            try:
                with opener.open(request, timeout=12) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        wait_for("the alert is taken", delivered, PATIENCE, say=self.said)

    def rest(self) -> None:
        """Wait until nothing is written any more."""
        deadline = time.monotonic() + PATIENCE
        count, since = len(self.proxy.writes), time.monotonic()
        while time.monotonic() - since < REST:
            assert time.monotonic() < deadline, f"something is written again and again{self.said()}"
            time.sleep(0.05)
            if len(self.proxy.writes) != count:
                count, since = len(self.proxy.writes), time.monotonic()


def _holds(look: Callable[[Body], object], status: Body) -> bool:
    """Whether it does; a field that is not there yet is a no."""
    try:
        return bool(look(status))
    except (KeyError, IndexError):
        return False


def _spec() -> Body:
    rule = {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.7}
    switch = {"type": "SwitchModel"}
    return {
        "versions": [V1, V2],
        "version": "v1",
        "placement": {"nodeSelector": EDGE},
        "health": {"rules": [rule]},
        "healing": {
            "strategies": [
                {"faults": ["low-confidence"], "actions": [switch, {"type": "Redistill"}]},
            ],
            "settle": "1s",
            "minSamples": 1,
            "cooldown": "1s",
        },
        "distillation": {
            "teacher": {"uri": "oci://registry:5000/teacher", "digest": digest(800)},
            "dataset": {"uri": "oci://registry:5000/dataset", "digest": digest(801)},
            "push": "oci://registry:5000/digits",
        },
        "rollout": {"steps": [{"nodes": 1, "hold": "1s"}], "judge": {"minSamples": 1}},
    }


def install(run: Run) -> None:
    """The first version comes to the nodes."""
    run.apply()
    run.until("v1 is good", lambda status: status["lastGood"] == "v1")


def spec_change(run: Run) -> None:
    """Another version is wished, and is good."""
    install(run)
    run.apply(version="v2")
    run.until("v2 is good", lambda status: status["lastGood"] == "v2" and "rollout" not in status)


def rollback(run: Run) -> None:
    """The fleet's version turns bad; its backup is good."""
    run.stand_in.script.heal_locally = False
    spec_change(run)
    run.stand_in.script.bad[digest(2)] = "low-confidence"
    run.until("v1 is proved", lambda status: status["version"] == "v1" and status["heals"][-1]["verdict"] == "Proved")


def redistil(run: Run) -> None:
    """The input drifts; a student is trained, tried on one node and promoted."""
    install(run)
    run.stand_in.script.drift, run.stand_in.script.robust = "low-confidence", {student(1)}
    run.until("the student is good", lambda status: status["lastGood"] == "distilled-1" and "rollout" not in status)


def delete(run: Run) -> None:
    """The EdgeModel is deleted while a version is on its way."""
    install(run)
    run.apply(version="v2")
    run.until("a canary", lambda status: status["rollout"]["to"] == "v2")
    run.api.delete(run.path(MODEL))
    kinds = (("/api/v1", "configmaps"), ("/api/v1", "services"), ("/apis/apps/v1", "daemonsets"))
    wait_for("no children", lambda: not any(_owned(run, *kind) for kind in kinds), PATIENCE, say=run.said)


def alert_storm(run: Run) -> None:
    """Alerts in a storm: duplicates, reordered, then resolved. The fleet goes back once."""
    run.stand_in.script.verdicts = False  # the alerts are all that speaks of a fault
    run.apply(version="v2", backup="v1")
    run.until("v2 serves", lambda status: status["nodes"]["updated"] == 2 and status["version"] == "v2")
    for number in range(4):
        run.alert(*((f"f{(number + item) % 3}", "firing") for item in range(20)))
    run.until("v1 serves", lambda status: status["version"] == "v1" and status["nodes"]["updated"] == 2)
    run.alert(("f0", "firing"), ("f1", "resolved"))
    run.alert(("f0", "resolved"), ("f2", "resolved"), ("f1", "resolved"))
    run.until("all is well", lambda status: not status.get("faults"))


SCENARIOS = (install, spec_change, rollback, redistil, delete, alert_storm)


def _owned(run: Run, prefix: str, plural: str) -> list[str]:
    items = run.api.items(run.stand_in.path(prefix, plural))
    return [body["metadata"]["name"] for body in items if body["metadata"].get("ownerReferences")]


def end_of(run: Run) -> Body:
    """What people would call the outcome: without times, revisions and wording."""
    status = run.status()
    if not status:
        return {"jobs": len(run.stand_in.jobs)}
    wish = run.wish()
    assert wish.revision == status["wishRevision"], "the status and the wish are apart"
    return {
        "jobs": len(run.stand_in.jobs),
        "version": (status.get("version"), status.get("lastGood"), status.get("rollout")),
        "versions": {v["name"]: (v["state"], v.get("reason"), v["digest"]) for v in status["versions"]},
        "heals": [
            tuple(h.get(k) for k in ("fault", "action", "from", "to", "verdict")) for h in status.get("heals", [])
        ],
        "faults": [fault["name"] for fault in status.get("faults", [])],
        "distillation": status.get("distillation", {}).get("phase"),
        "nodes": status["nodes"],
        "conditions": {c["type"]: c["reason"] for c in status["conditions"] if c["status"] == "True"},
        "wish": wish.model_dump(mode="json", exclude={"revision", "namespace"}),
        "serving": {name: edge.active and edge.active.digest for name, edge in run.stand_in.edges.items()},
    }


@contextmanager
def stage(run: Run) -> Iterator[Run]:
    """The run with everything on: a namespace, the proxy, the nodes, an operator."""
    run.api.create("/api/v1/namespaces", {"metadata": {"name": run.namespace}})
    run.proxy.kill = run.operator.replace
    with run.proxy.listening(), run.stand_in.running():
        config = {"clusters": [{"name": "x", "cluster": {"server": run.proxy.url}}]}
        config |= {"users": [{"name": "x", "user": {"token": "x"}}], "current-context": "x"}
        config |= {"contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}
        run.operator.kubeconfig.write_text(json.dumps(config))
        run.operator.start()
        try:
            yield run
        finally:
            run.operator.kill()
            run.api.close()
