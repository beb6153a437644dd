"""A small deterministic world around the real `decide`: an API server in memory, nodes, Jobs, telemetry, a clock.

The operator is woken by events and deadlines only, as the real one is; where nobody woke it, it must have nothing
to do. After every plan the invariants are checked.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from edgemodel import wish as wish_document
from edgemodel.outcome import Outcome
from edgemodel.wish import Wish
from edgemodel_operator.api import resource
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.states import DistillationPhase, VersionState
from edgemodel_operator.api.status import Status
from edgemodel_operator.cluster.trim import trim, trim_child, trim_node, trim_pod
from edgemodel_operator.cluster.world import World as Indexes
from edgemodel_operator.decide import Images, decide
from edgemodel_operator.model import naming
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Action, Create, Delete, Ensure, Event, Nudge, Plan, WriteStatus
from edgemodel_operator.render.children import covers
from edgemodel_operator.signals.board import Board
from tests.unit.operator.edge import Edge, Script

STEP = 5.0
"""Seconds of a step."""
KEY = Key("plant-a", "digits")
UID = "11111111-2222-3333-4444-555555555555"
IMAGES = Images(inference="registry/inference:1", distill="registry/distill:1")
BARRED = (VersionState.QUARANTINED, VersionState.REJECTED)

Body = dict[str, Any]


def digest(number: int) -> str:
    """A digest that is easy to tell from others."""
    return f"sha256:{number:08x}{'0' * 56}"


def artifact(name: str, number: int) -> Body:
    """An entry of spec.versions."""
    return {"name": name, "uri": "oci://registry:5000/digits", "digest": digest(number)}


def student(attempt: int) -> str:
    """Digest of the student that a Job makes unless scripted otherwise."""
    return digest(900 + attempt)


SPEC: Body = {
    "versions": [artifact("v1", 1), artifact("v2", 2), artifact("v3", 3)],
    "version": "v1",
    "placement": {"nodeSelector": {"edge": ""}},
    "serving": {"samples": {"sink": "oci://registry:5000/samples"}},
    "health": {
        "interval": "2s",
        "rules": [
            {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.7},
            {"name": "high-latency", "metric": "inference_latency_ms", "operator": ">", "threshold": 100},
        ],
    },
    "healing": {
        "strategies": [
            {
                "faults": ["low-confidence"],
                "actions": [{"type": "SwitchModel"}, {"type": "Redistill", "samples": 10}, {"type": "Alert"}],
            },
            {"faults": ["high-latency"], "actions": [{"type": "SwitchModel"}]},
        ],
        "settle": "20s",
        "minSamples": 30,
        "cooldown": "60s",
        "maxPerHour": 6,
    },
    "distillation": {
        "teacher": {"uri": "oci://registry:5000/teacher", "digest": digest(800)},
        "dataset": {"uri": "oci://registry:5000/dataset", "digest": digest(801)},
        "push": "oci://registry:5000/digits",
    },
    "rollout": {"steps": [{"nodes": 1, "hold": "20s"}], "judge": {"minSamples": 50}, "progressDeadline": "5m"},
}


@dataclass
class World:
    """Everything there is. Change `script` or call the verbs; then `run` or `until`."""

    size: int = 4
    script: Script = field(default_factory=Script)
    events: list[Event] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    crash: tuple[int, int] | None = None
    """The operator dies in this plan (counted from 0, plans without actions do not count) after that many actions."""

    def __post_init__(self) -> None:
        """Nodes, an EdgeModel that no operator has seen, an operator that just started."""
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.edges = {f"n{i}": Edge(f"n{i}") for i in range(1, self.size + 1)}
        metadata = {"namespace": KEY.namespace, "name": KEY.name, "uid": UID, "generation": 1, "resourceVersion": "1"}
        self.model: Body = {"metadata": metadata, "spec": copy.deepcopy(SPEC), "status": {"observedGeneration": -1}}
        self.objects: dict[tuple[str, str], Body] = {}
        self.writes = 0
        self._parsed = (0, resource.parse(self.model))
        self.barred: set[str] = set()
        self.audited: list[Observation] = []
        """What the last plans with actions were decided from."""
        self._sights: dict[str, bool] = {}
        self._job_age: dict[str, int] = {}
        self._wake: datetime | None = None
        self._seen = -1
        self.board = Board(10.0)
        self.restart()

    # What people and the weather do

    def restart(self) -> None:
        """The operator starts with nothing but what the API server has."""
        self.board = Board(10.0)
        self._fresh: bool | None = None
        self._seen = -1

    def edit(self, change: Callable[[Body], object]) -> None:
        """The user edits spec."""
        change(self.model["spec"])
        self.model["metadata"]["generation"] += 1
        self._wrote()

    def wish_for(self, version: str) -> None:
        """The user wishes another version."""
        self.edit(lambda spec: spec.update(version=version))

    def add_node(self, name: str) -> None:
        """Another node joins."""
        self.edges[name] = Edge(name)
        self._seen = -1

    def remove(self, kind: str, name: str) -> None:
        """Somebody deletes a child."""
        del self.objects[kind, name]
        self._wrote()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP)):
            self.step()

    def until(self, condition: Callable[["World"], bool], within: float = 600) -> None:
        """Let time pass until `condition`; fails when it does not come true."""
        for _ in range(round(within / STEP)):
            if condition(self):
                return
            self.step()
        assert condition(self), f"not within {within} s: {self.status.model_dump_json(exclude_defaults=True)}"

    # What is there

    @property
    def status(self) -> Status:
        """The status as the API server has it."""
        return self.parsed.status

    @property
    def parsed(self) -> EdgeModel:
        """The EdgeModel as the API server has it."""
        if self._parsed[0] != self.writes:
            self._parsed = (self.writes, resource.parse(self.model))
        return self._parsed[1]

    @property
    def wish(self) -> Wish | None:
        """The wish as nodes read it."""
        body = self.objects.get(("ConfigMap", naming.wish_config_map(KEY.name)))
        return None if body is None else wish_document.parse(body["data"][wish_document.FILE_NAME])

    @property
    def live_jobs(self) -> list[str]:
        """Names of Jobs that have not ended."""
        return [name for (kind, name), body in self.objects.items() if kind == "Job" and "status" not in body]

    @property
    def jobs(self) -> list[str]:
        """Names of all Jobs."""
        return [name for kind, name in self.objects if kind == "Job"]

    def serving(self) -> set[str]:
        """Names of the versions that answer now, on all nodes together."""
        return {edge.active.name if edge.active else "" for edge in self.edges.values()}

    def state(self, version: str) -> VersionState:
        """What became of a version."""
        found = self.status.find_version(version)
        assert found is not None, f"{version} is not known"
        return found.state

    def told(self, reason: str) -> list[str]:
        """Messages of the events with this reason."""
        return [event.message for event in self.events if event.reason == reason]

    def condition(self, type_: str) -> tuple[str, str]:
        """Status and reason of a condition; empty where it is not shown."""
        found = self.status.condition(type_)
        return ("", "") if found is None else (found.status, found.reason)

    def observe(self) -> Observation:
        """What the operator knows at this moment."""
        found: dict[str, dict[Any, list[Body]]] = {"EdgeModel": {KEY: [trim(self.model)]}}
        for kind in ("ConfigMap", "Service", "DaemonSet", "Deployment"):
            found[kind] = {KEY: [trim_child(body) for (k, _), body in self.objects.items() if k == kind]}
        found["Job"] = {KEY: [trim(body) for (k, _), body in self.objects.items() if k == "Job"]}
        found["Pod"] = {KEY: [trim_pod(body) for (k, _), body in self.objects.items() if k == "Pod"]}
        found["Node"] = {name: [trim_node(_node(edge))] for name, edge in self.edges.items()}
        indexes = Indexes()
        indexes.bind(found)
        return indexes.observe(self.parsed, self.board, self.now)

    # How time passes

    def step(self) -> None:
        """Five seconds in the life of everything."""
        self.now += timedelta(seconds=STEP)
        for edge in self.edges.values():
            edge.step(self.script, self.wish)
        self._kubelets()
        self._train()
        woken = self._listen() or self._seen != self.writes or (self._wake is not None and self._wake <= self.now)
        if not woken:
            idle = decide(self.observe(), IMAGES)
            assert idle.actions == (), f"nobody would have woken the operator for {idle.actions}"
        else:
            self.settle()

    def settle(self) -> None:
        """The operator ticks until it has nothing to do; ten ticks are plenty."""
        for _ in range(10):
            self._seen = self.writes
            before = self.status
            observation = self.observe()
            plan = decide(observation, IMAGES)
            self._wake = plan.wake
            self._audit(observation, before, plan)
            if not plan.actions:
                self.check()
                return
            self.plans.append(plan)
            self.audited.append(observation)
            if self.crash is not None and self.crash[0] == len(self.plans) - 1:
                for action in plan.actions[: self.crash[1]]:
                    self.perform(action)
                self.restart()
                return  # until the next step, when a new operator finds what is there
            self.events += plan.events
            for action in plan.actions:
                self.perform(action)
            self.check()
        raise AssertionError(f"the operator does not come to rest: {plan.actions}")

    def perform(self, action: Action) -> None:
        """What the API server does with one action."""
        match action:
            case WriteStatus(status):
                wire = json.loads(status.model_dump_json(by_alias=True, exclude_none=True))
                self.model["status"] = wire
                self._wrote()
                assert self.status == status, "the status does not survive being stored"
            case Ensure(wanted):
                self._put(wanted)
            case Create(wanted):
                if (wanted["kind"], wanted["metadata"]["name"]) not in self.objects:
                    self._put(wanted)
            case Delete(kind, name):
                if self.objects.pop((kind, name), None) is not None:
                    self._wrote()
            case Nudge(pod, revision):
                annotations = self.objects["Pod", pod]["metadata"].setdefault("annotations", {})
                annotations[naming.ANNOTATION_REVISION] = str(revision)
                self._wrote()
            case _:
                assert_never(action)

    # What must be true whatever happens

    def check(self) -> None:
        """The invariants of reliability.md that concern decisions."""
        status, wish = self.status, self.wish
        assert len(self.live_jobs) <= 1, f"two live Jobs: {self.live_jobs}"
        self.barred |= {version.digest for version in status.versions if version.state in BARRED}
        self.barred -= {version.digest for version in status.versions if version.reason == "Exonerated"}
        wanted = [] if wish is None else [wish.default, *wish.exceptions.values()]
        for assignment in wanted:
            assert assignment is not None, "nodes are told to serve nothing"
            assert assignment.active.digest not in self.barred, f"{assignment.active.name} is barred and wished"
            assert assignment.backup is None or assignment.backup.digest not in self.barred, "a backup is barred"
        for edge in self.edges.values():
            assert edge.active is not None or not edge.served, f"{edge.name} served once and does not any more"

    def _audit(self, observation: Observation, before: Status, plan: Plan) -> None:
        """One plan: it says why, and it takes nothing from figures that are not there."""
        after = next((a.status for a in plan.actions if isinstance(a, WriteStatus)), before)
        if before.version is not None and after.version != before.version:
            assert plan.events, f"{before.version} → {after.version} without a word"
        wished = observation.model.spec.find_version(observation.model.spec.version)
        if observation.reports or wished is None or wished.digest != before.wished:
            return
        assert (after.version, after.digest) == (before.version, before.digest), "switched without telemetry"
        assert [h.verdict for h in after.heals if h.verdict == "Proved"] == [
            h.verdict for h in before.heals if h.verdict == "Proved"
        ], "a heal was proved without telemetry"
        if before.rollout is not None and after.rollout is not None:
            assert after.rollout.step <= before.rollout.step, "a rollout advanced without telemetry"
        waiting = before.distillation is None or before.distillation.phase not in (
            DistillationPhase.PENDING,
            DistillationPhase.RUNNING,
        )
        assert not (waiting and any(isinstance(a, Create) for a in plan.actions)), "a Job was made without telemetry"

    # How the world works

    def _wrote(self) -> None:
        self.writes += 1
        self.model["metadata"]["resourceVersion"] = str(self.writes + 1)

    def _put(self, wanted: Body) -> None:
        place = (wanted["kind"], wanted["metadata"]["name"])
        if place in self.objects and covers(self.objects[place], wanted):
            return
        body = json.loads(json.dumps(wanted))
        body["metadata"] |= {"uid": f"uid-{place}", "resourceVersion": str(self.writes + 1)}
        self.objects[place] = body
        self._wrote()

    def _listen(self) -> bool:
        changed = False
        if self.script.telemetry:
            edges = [edge for edge in self.edges.values() if edge.linked and edge.installed]
            samples = [s for edge in edges for s in edge.report(KEY.namespace, KEY.name, self.script)]
            changed = KEY in self.board.take(samples, self.now)
        fresh, self._fresh = self._fresh, self.board.telemetry(self.now)
        return changed or fresh is not self._fresh

    def _kubelets(self) -> None:
        """Linked nodes run what the DaemonSet says; the control plane sees pods as ready as it last heard."""
        for edge in self.edges.values():
            if edge.linked and not edge.installed and ("DaemonSet", KEY.name) in self.objects:
                edge.installed = True
            place = ("Pod", f"{KEY.name}-{edge.name}")
            known = self.objects.get(place)
            body = _pod(edge, known)
            if edge.installed and (edge.linked or known is not None) and body != known:
                self.objects[place] = body
                self._wrote()
            if edge.in_sight is not self._sights.get(edge.name):
                self._sights[edge.name] = edge.in_sight
                self._seen = -1  # the node's Ready condition has changed

    def _train(self) -> None:
        for name in self.live_jobs:
            body = self.objects["Job", name]
            self._job_age[name] = age = self._job_age.get(name, 0) + 1
            attempt = int(body["metadata"]["labels"]["edgemodel.dev/attempt"])
            pod = {
                "metadata": {
                    "name": f"{name}-x",
                    "labels": body["spec"]["template"]["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name},
                },
                "status": {"phase": "Running"},
            }
            if age > self.script.job_steps:
                good = Outcome(code="Accepted", digest=student(attempt), edge_samples=20, scores={"accuracy": 0.9})
                outcome = self.script.outcomes.get(attempt, good)
                ended = outcome is not None and outcome.code in ("Accepted", "Rejected")
                message = outcome.dump() if outcome is not None else "Killed"
                body["status"] = {"conditions": [{"type": "Complete" if ended else "Failed", "status": "True"}]}
                terminated = {"state": {"terminated": {"message": message}}}
                pod["status"] = {"phase": "Succeeded" if ended else "Failed", "containerStatuses": [terminated]}
            self.objects["Pod", f"{name}-x"] = pod
            self._wrote()


def _node(edge: Edge) -> Body:
    condition = {"type": "Ready", "status": "True" if edge.in_sight else "Unknown"}
    return {"metadata": {"name": edge.name, "labels": {"edge": ""}}, "status": {"conditions": [condition]}}


def _pod(edge: Edge, known: Body | None) -> Body:
    """The pod as the API server shows it: a node without a link brings no news."""
    if known is not None and not edge.linked:
        return known
    metadata: Body = {"name": f"{KEY.name}-{edge.name}", "labels": naming.labels(KEY.name, naming.SERVING)}
    metadata["annotations"] = dict(known["metadata"].get("annotations", {})) if known is not None else {}
    ready = {"type": "Ready", "status": "True" if edge.active is not None else "False"}
    status = {"podIP": "10.0.0.1", "phase": "Running", "conditions": [ready]}
    return {"metadata": metadata, "spec": {"nodeName": edge.name}, "status": status}
