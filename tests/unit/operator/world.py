"""A small deterministic world around the real operator: an API server in memory, nodes, Jobs, telemetry, a clock.

The operator is woken by events and deadlines only, as the real one is; where nobody woke it, it must have nothing
to do. After every tick the invariants are checked.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from edgemodel import verbs
from edgemodel import wish as wish_document
from edgemodel.wish import Wish
from edgemodel_operator.api import resource
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide import decide
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Alert, Notice, Observation
from edgemodel_operator.model.plan import Event
from tests.unit.operator.api_in_memory import ApiInMemory, Body, KilledError, Mishap, Place
from tests.unit.operator.edge import Edge, Script
from tests.unit.operator.kubelets import Kubelets
from tests.unit.operator.plant import BARRED, IMAGES, KEY, SPEC, STEP, UID, artifact, digest, student
from tests.unit.operator.simulated_operator import SimulatedOperator
from tests.unit.operator.world_checks import Checks, audit

__all__ = ["BARRED", "IMAGES", "KEY", "SPEC", "STEP", "UID", "Mishap", "World", "artifact", "digest", "student"]

MODEL: Place = ("EdgeModel", KEY.name)
TICKS = 10
"""Ticks in a row until the operator must have nothing more to do."""


@dataclass
class World:
    """Everything there is. Change `script` or call the verbs; then `run` or `until`."""

    size: int = 4
    script: Script = field(default_factory=Script)

    def __post_init__(self) -> None:
        """Nodes, an EdgeModel that no operator has seen, an operator that just started."""
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.edges = {f"n{i}": Edge(f"n{i}") for i in range(1, self.size + 1)}
        self.api = ApiInMemory()
        self.kubelets = Kubelets(self.api, self.edges)
        self.checks = Checks()
        self.audited: list[Observation] = []
        """What the ticks that wrote something were decided on."""
        self.notices: list[Notice] = []
        """What Alertmanager delivers again and again until it is answered."""
        self._firing: dict[str, datetime] = {}
        self.down = 0
        """Steps until the operator is started again."""
        self._parsed: tuple[int, EdgeModel] | None = None
        self.create_model()
        self.kubelets.step(self.script)
        self.operator = SimulatedOperator(self.api, self.now)

    # What people and the weather do

    def create_model(self, uid: str = UID) -> None:
        """The user applies the EdgeModel for the first time."""
        metadata = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "generation": 1, "annotations": {}}
        body = {"kind": "EdgeModel", "metadata": metadata, "spec": copy.deepcopy(SPEC)}
        self.api.put(MODEL, {**body, "status": {"observedGeneration": -1}})
        self.checks = Checks()

    def restart(self) -> None:
        """The operator starts with nothing but what the API server has."""
        lag = self.operator.watches.lag
        self.operator = SimulatedOperator(self.api, self.now)
        self.operator.watches.lag = lag

    def edit(self, change: Callable[[Body], object]) -> None:
        """The user edits spec."""
        body = copy.deepcopy(self.model)
        change(body["spec"])
        body["metadata"]["generation"] += 1
        self.api.put(MODEL, body)

    def wish_for(self, version: str) -> None:
        """The user wishes another version."""
        self.edit(lambda spec: spec.update(version=version))

    def annotate(self, **values: str | None) -> None:
        """``kubectl annotate``: None removes; the generation stays."""
        body = copy.deepcopy(self.model)
        changes = {verbs.PREFIX + name.replace("_", "-"): value for name, value in values.items()}
        annotations = {**body["metadata"].get("annotations", {}), **changes}
        body["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}
        self.api.put(MODEL, body)
        self.step()

    def alert(self, fault: str, node: str = "", firing: bool = True) -> None:
        """Alertmanager delivers: the webhook's alert is the level where there is no Prometheus."""
        fingerprint = f"{fault}/{node}"
        since = self._firing.setdefault(fingerprint, self.now)
        if not firing:
            del self._firing[fingerprint]
        alert = Alert(fault=fault, node=node, since=since, source="Alertmanager")
        self.notices.append(Notice(fingerprint=fingerprint, alert=alert, firing=firing))

    def add_node(self, name: str) -> None:
        """Another node joins."""
        self.edges[name] = Edge(name)

    def remove(self, kind: str, name: str) -> None:
        """Somebody deletes a child."""
        self.api.remove((kind, name))

    def mishap(self, kind: Mishap, after: int = 0) -> None:
        """Something befalls a write of the operator: the next one, or one of those `after` it."""
        self.api.mishaps[self.api.calls + after] = kind

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
    def objects(self) -> dict[Place, Body]:
        """What is stored, by kind and name."""
        return self.api.objects

    @property
    def model(self) -> Body:
        """The EdgeModel as it is stored."""
        return self.api.objects[MODEL]

    @property
    def writes(self) -> int:
        """Rises with each change of anything that is stored."""
        return self.api.revision

    @property
    def events(self) -> list[Event]:
        """What was told."""
        return self.api.events

    @property
    def status(self) -> Status:
        """The status as the API server has it."""
        return self.parsed.status

    @property
    def parsed(self) -> EdgeModel:
        """The EdgeModel as the API server has it."""
        if self._parsed is None or self._parsed[0] != self.writes:
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
    def children(self) -> list[Place]:
        """What the operator has made."""
        return [place for place, body in self.objects.items() if UID in _owners(body)]

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
        return self.operator.observe(self.parsed)

    # How time passes

    def step(self) -> None:
        """Five seconds in the life of everything."""
        self.now += timedelta(seconds=STEP)
        wish = self.wish
        for edge in self.edges.values():
            edge.step(self.script, wish)
        self.kubelets.step(self.script)
        self._run_operator()

    def settle(self) -> None:
        """The operator ticks until it has nothing to do."""
        for _ in range(TICKS):
            written, before, jobs = self.api.calls, self.status, set(self.jobs)
            try:
                self.operator.tick()
            except KilledError:
                self.restart()
                return  # until the next step, when a new operator finds what is there
            if self.operator.observed is not None:
                audit(self.operator.observed, before, self.status, bool(set(self.jobs) - jobs))
            self.checks.safe(self.status, self.wish, self.edges, self.live_jobs)
            if not self.operator.watches.deliver() and self.api.calls == written:
                return
            if self.operator.observed is not None:
                self.audited.append(self.operator.observed)
        assert self.operator.watches.lag or self.api.mishaps, "the operator does not come to rest"

    def _run_operator(self) -> None:
        self.operator.now = self.now
        self.operator.watches.age()
        if self.down:
            self.down -= 1
            if not self.down:
                self.restart()
            return
        edges = self.edges.values()
        samples = [sample for edge in edges for sample in edge.scrape(KEY.namespace, KEY.name, self.script)]
        self.operator.listen(samples if self.script.telemetry else None)
        self.operator.receive(self.notices)
        if self.operator.woken():
            self.settle()
            answered = self.operator.answer()
            self.notices = [notice for notice in self.notices if all(notice is not known for known in answered)]
            return
        idle = decide(self.observe(), IMAGES)
        assert idle.actions == (), f"nobody would have woken the operator for {idle.actions}"


def _owners(body: Body) -> set[str]:
    return {owner["uid"] for owner in body["metadata"].get("ownerReferences", [])}
