"""What no kubelet and no controller manager does here, played in one thread: pods with metrics, Jobs, garbage.

The nodes are those of the simulated world (tests/unit/operator/edge.py); their metrics are real HTTP on loopback.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from edgemodel import wish as wish_document
from edgemodel.outcome import Outcome
from edgemodel.wish import Wish
from edgemodel_operator.model import naming
from tests.apiserver.exporter import exporting
from tests.apiserver.plain_api import Body, PlainApi
from tests.unit.operator.edge import Edge
from tests.unit.operator.plant import student
from tests.unit.operator.script import Script

MODEL = "digits"
PERIOD = 0.15
"""Seconds of a step of the nodes."""


@dataclass
class StandIn:
    """One namespace's nodes and controllers: `with stand_in.running(): ...`."""

    api: PlainApi
    namespace: str
    addresses: dict[str, str]
    """Loopback address of each node's pod."""
    script: Script = field(default_factory=lambda: Script(job_steps=4))
    edges: dict[str, Edge] = field(init=False)
    jobs: set[str] = field(default_factory=set)
    """Names of all Jobs that ever were."""
    most_live_jobs: int = 0
    failures: list[BaseException] = field(default_factory=list)
    _shown: dict[str, bool] = field(default_factory=dict)
    _ages: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nodes without a pod."""
        self.edges = {name: Edge(name) for name in self.addresses}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Play within the block."""
        stop = threading.Event()
        with ExitStack() as stack:
            for name, address in self.addresses.items():
                stack.enter_context(exporting(address, partial(self._exposition, name)))
            thread = threading.Thread(target=self._play, args=(stop,))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()
        assert not self.failures, self.failures

    def path(self, prefix: str, plural: str, name: str = "") -> str:
        """Path of an object, or of the collection."""
        return f"{prefix}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def _play(self, stop: threading.Event) -> None:
        try:
            while not stop.wait(PERIOD):
                self._step()
        except BaseException as error:  # noqa: BLE001 (told by the test's thread)
            self.failures.append(error)
        finally:
            self.api.close()

    def _step(self) -> None:
        owner = self.api.get(self.path("/apis/edgemodel.dev/v1alpha1", "edgemodels", MODEL))
        workload = self.api.get(self.path("/apis/apps/v1", "daemonsets", MODEL))
        config = self.api.get(self.path("/api/v1", "configmaps", naming.wish_config_map(MODEL)))
        wish = None if config is None else wish_document.parse(config["data"][wish_document.FILE_NAME])
        for name, edge in self.edges.items():
            self._run_pod(name, edge, workload, wish)
        jobs = self.api.items(self.path("/apis/batch/v1", "jobs"))
        self.jobs |= {job["metadata"]["name"] for job in jobs}
        live = [job for job in jobs if not job.get("status", {}).get("conditions")]
        self.most_live_jobs = max(self.most_live_jobs, len(live))
        for job in live:
            self._train(job)
        if owner is None:
            self._collect_garbage()

    def _run_pod(self, name: str, edge: Edge, workload: Body | None, wish: Wish | None) -> None:
        place = self.path("/api/v1", "pods", f"{MODEL}-{name}")
        if workload is None:
            if edge.installed:
                self.api.delete(place)
                edge.remove()
                self._shown.pop(name, None)
            return
        if not edge.installed:
            metadata = {"name": f"{MODEL}-{name}", "labels": naming.labels(MODEL, naming.SERVING)}
            spec = {"nodeName": name, "containers": [{"name": "inference", "image": "x"}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            self.api.create(self.path("/api/v1", "pods"), pod)
            edge.installed = True
        edge.step(self.script, wish)
        if self._shown.get(name) is not edge.answers:
            self._shown[name] = edge.answers
            ready = [{"type": "Ready", "status": str(edge.answers)}]
            address = self.addresses[name]
            status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": ready}
            self.api.merge(f"{place}/status", {"status": status})

    def _train(self, job: Body) -> None:
        name = job["metadata"]["name"]
        self._ages[name] = age = self._ages.get(name, 0) + 1
        if age == 1:
            labels = job["spec"]["template"]["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name}
            spec = {"restartPolicy": "Never", "containers": [{"name": "distill", "image": "x"}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-x", "labels": labels}, "spec": spec}
            self.api.create(self.path("/api/v1", "pods"), pod)
        if age > self.script.job_steps:
            self._end_job(job)

    def _end_job(self, job: Body) -> None:
        name = job["metadata"]["name"]
        attempt = int(job["metadata"]["labels"]["edgemodel.dev/attempt"])
        outcome = Outcome(code="Accepted", digest=student(attempt), edge_samples=20, scores={"accuracy": 0.9})
        ended = {"exitCode": 0, "message": outcome.dump()}
        container = {"name": "distill", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
        status = {"phase": "Succeeded", "containerStatuses": [container | {"state": {"terminated": ended}}]}
        self.api.merge(self.path("/api/v1", "pods", f"{name}-x/status"), {"status": status})
        now = job["metadata"]["creationTimestamp"]
        done = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
        status = {"succeeded": 1, "startTime": now, "completionTime": now, "conditions": done}
        self.api.merge(self.path("/apis/batch/v1", "jobs", f"{name}/status"), {"status": status})

    def _exposition(self, node: str) -> str:
        samples = self.edges[node].scrape(self.namespace, MODEL, self.script)
        return "".join(f"{s.name}{{{_labels(dict(s.labels))}}} {s.value}\n" for s in samples)

    def _collect_garbage(self) -> None:
        """What the EdgeModel owned goes with it."""
        for prefix, plural in (
            ("/api/v1", "configmaps"),
            ("/api/v1", "services"),
            ("/apis/apps/v1", "daemonsets"),
            ("/apis/batch/v1", "jobs"),
        ):
            for body in self.api.items(self.path(prefix, plural)):
                if any(owner["kind"] == "EdgeModel" for owner in body["metadata"].get("ownerReferences", [])):
                    self.api.delete(self.path(prefix, plural, body["metadata"]["name"]))


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
