"""A thousand EdgeModels, and stand-ins for what no kubelet, DaemonSet controller and Prometheus does here.

Each EdgeModel is the project's sample (manifests/samples/digits.yaml) on one node. Its pod is made by hand once its
wish is there, is ready at once, and tells by "Prometheus" what nodes of the simulated world tell
(tests/unit/operator/edge.py): some twenty series, of which those that count requests differ at each reading.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

from edgemodel import wish as wish_document
from edgemodel_operator.cluster.client import RESOURCES
from edgemodel_operator.model import naming
from lab.home import REPOSITORY
from tests.apiserver.plain_api import Body, PlainApi
from tests.bench.operator.watch import Watch
from tests.unit.operator.edge import Edge
from tests.unit.operator.script import Script, Traffic

MODELS_PER_NODE = 100
SLOT = "bench/slot"
"""Label of the nodes by which placements choose one."""
RULE = "high-latency"
"""The rule whose threshold is what people change."""
EDGEMODEL, CONFIG_MAP, POD = (RESOURCES[kind] for kind in ("EdgeModel", "ConfigMap", "Pod"))
SCRAPES = 15.0
"""Seconds between two scrapes of all pods."""
PATIENCE = 900.0
"""Seconds for anything that is waited for."""


@dataclass
class Model:
    """One EdgeModel as the API server shows it, and its node."""

    name: str
    slot: int
    edge: Edge
    generation: int = 0
    observed: int = -1
    ready: bool = False
    good: bool = False
    """Whether its version is proved good."""
    threshold: float | None = None
    """Of the rule in the wish."""
    revision: int = 0
    nudge: int = 0
    moved: float = 0.0
    """When one of these changed last."""

    @property
    def pod(self) -> str:
        """Name of its pod."""
        return f"{self.name}-{self.edge.name}"


@dataclass
class Fleet:
    """All EdgeModels of one namespace: `with fleet.running(): ...`."""

    api: PlainApi
    namespace: str
    size: int
    models: dict[str, Model] = field(init=False)
    script: Script = field(default_factory=lambda: Script(requests=100, traffic=Traffic()))
    readings: int = 0
    """How often "Prometheus" was asked."""
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _scraped: bytes = b'{"status": "success", "data": {"result": []}}'

    def __post_init__(self) -> None:
        """Names, and a slot for each."""
        numbers = range(self.size)
        slots = {f"model-{number:04}": number // MODELS_PER_NODE for number in numbers}
        self.models = {name: Model(name, slot, Edge(f"node-{slot}")) for name, slot in slots.items()}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch, and answer as Prometheus, within the block."""
        watched = ((EDGEMODEL, self._see_model), (CONFIG_MAP, self._see_wish), (POD, self._see_pod))
        with ExitStack() as stack:
            for resource, take in watched:
                stack.enter_context(Watch(self.api, resource.path(self.namespace), take).running())
            stack.enter_context(self._answering())
            yield

    def make_nodes(self) -> None:
        """Nodes that are ready and stay it: no controller looks for their heartbeats."""
        for slot in sorted({model.slot for model in self.models.values()}):
            metadata = {"name": f"node-{slot}", "labels": {SLOT: str(slot)}}
            self.api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
            ready = [{"type": "Ready", "status": "True"}]
            self.api.merge(f"/api/v1/nodes/node-{slot}/status", {"status": {"conditions": ready}})

    def make_models(self) -> None:
        """What people apply."""
        sample = _sample()
        for model in self.models.values():
            placement = sample["spec"]["placement"] | {"nodeSelector": {SLOT: str(model.slot)}}
            body = sample | {"metadata": {"name": model.name}, "spec": sample["spec"] | {"placement": placement}}
            self.api.create(EDGEMODEL.path(self.namespace), body)
            model.generation = 1

    def change(self, threshold: float) -> None:
        """What people change: another threshold in a rule of each EdgeModel, one after another."""
        known = _sample()["spec"]["health"]["rules"]
        rules = [rule | ({"threshold": threshold} if rule["name"] == RULE else {}) for rule in known]
        for model in self.models.values():
            answer = self.api.merge(EDGEMODEL.path(self.namespace, model.name), {"spec": {"health": {"rules": rules}}})
            model.generation = answer["metadata"]["generation"]

    def make_pods(self) -> None:
        """What a DaemonSet's controller and the kubelets do, at once."""
        for model in self.models.values():
            owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": model.name, "uid": "x", "controller": True}
            labels = naming.labels(model.name, naming.SERVING)
            metadata = {"name": model.pod, "labels": labels, "ownerReferences": [owner]}
            spec = {"nodeName": model.edge.name, "containers": [{"name": "inference", "image": "x"}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            self.api.create(POD.path(self.namespace), pod)
            ready = [{"type": "Ready", "status": "True"}]
            status = {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}], "conditions": ready}
            self.api.merge(f"{POD.path(self.namespace, model.pod)}/status", {"status": status})
            model.edge.installed = True

    def wait(self, what: str, holds: Callable[[Model], bool]) -> float:
        """The moment when it held for the last of all; what changes again later is not looked at any more."""
        deadline, waiting = time.monotonic() + PATIENCE, list(self.models.values())
        last = 0.0
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not true of {len(waiting)}, for example {waiting[0]}")
            time.sleep(0.02)
            still = []
            for model in waiting:
                if holds(model):
                    last = max(last, model.moved)
                else:
                    still.append(model)
            waiting = still
        self.api.close()  # the API server ends connections that nobody used for long
        return last

    def _see_model(self, body: Body) -> None:
        model, status = self.models[body["metadata"]["name"]], body.get("status", {})
        model.observed = status.get("observedGeneration", -1)
        model.ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        model.good = status.get("lastGood") is not None
        model.moved = time.monotonic()

    def _see_wish(self, body: Body) -> None:
        model = self.models.get(body["metadata"]["name"].removesuffix("-wish"))
        if model is None:
            return  # the API server's own
        wish = wish_document.parse(body["data"][wish_document.FILE_NAME])
        model.threshold = next(rule.threshold for rule in wish.rules if rule.name == RULE)
        model.revision, model.moved = wish.revision, time.monotonic()
        with self._lock:
            model.edge.wish = wish

    def _see_pod(self, body: Body) -> None:
        model = self.models[body["metadata"]["labels"][naming.LABEL_MODEL]]
        model.nudge = int(body["metadata"].get("annotations", {}).get(naming.ANNOTATION_REVISION, "0"))
        model.moved = time.monotonic()

    def _exposition(self) -> bytes:
        """All samples as Prometheus answers a query, after a step in the life of all nodes."""
        with self._lock:
            for model in self.models.values():
                model.edge.step(self.script, None)
            samples = [
                {"metric": {"__name__": sample.name, **sample.labels}, "value": [0, str(sample.value)]}
                for model in self.models.values()
                for sample in model.edge.scrape(self.namespace, model.name, self.script)
            ]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": samples}}).encode()

    def _scrape(self, ended: threading.Event) -> None:
        while not ended.wait(SCRAPES):
            self._scraped = self._exposition()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        fleet = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                body, fleet.readings = fleet._scraped, fleet.readings + 1
                self.send_response(http.client.OK)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        ended = threading.Event()
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}),
            threading.Thread(target=self._scrape, args=(ended,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            server.shutdown()
            for thread in threads:
                thread.join()
            server.server_close()


def _sample() -> Body:
    found: Body = yaml.safe_load((REPOSITORY / "manifests" / "samples" / "digits.yaml").read_text())
    return found
