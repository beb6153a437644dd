"""A small deterministic world around the real operator: an API server in memory, nodes, Jobs, telemetry, a clock.

The operator is woken by events and deadlines only, as the real one is; where nobody woke it, it must have nothing
to do. After every tick the invariants are checked.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from edgemodel import verbs
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Alert, Notice, Observation
from tests.unit.operator.api_in_memory import ApiInMemory, Body, KilledError, Mishap
from tests.unit.operator.edge import Edge
from tests.unit.operator.kubelets import Kubelets
from tests.unit.operator.plant import BARRED, IMAGES, KEY, SPEC, STEP, UID, artifact, digest, student
from tests.unit.operator.script import Script
from tests.unit.operator.simulated_operator import SimulatedOperator
from tests.unit.operator.world_checks import Checks, audit, changes
from tests.unit.operator.world_view import MODEL, View

__all__ = ["BARRED", "IMAGES", "KEY", "SPEC", "STEP", "UID", "Mishap", "World", "artifact", "digest", "student"]

TICKS = 10
"""Ticks in a row until the operator must have nothing more to do."""


@dataclass
class World(View):
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
        self._clock_set = False
        self._parsed: tuple[int, EdgeModel] | None = None
        self.create_model()
        self.kubelets.step(self.script, self.now)
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
            self._firing.pop(fingerprint)
        alert = Alert(fault=fault, node=node, since=since, source="Alertmanager")
        self.notices.append(Notice(fingerprint=fingerprint, alert=alert, firing=firing))

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock, forwards or back."""
        self.now += timedelta(seconds=seconds)
        self._clock_set = True

    def recreate_model(self, uid: str) -> None:
        """The user deletes the EdgeModel and applies it again."""
        self.api.remove(MODEL)
        assert self.children == [], "the children outlive their owner"
        if not self.down and self.operator.woken():
            self.operator.tick()
        assert self.children == [], "children are made for an EdgeModel that is gone"
        self.create_model(uid)

    def leave_children(self, uid: str, **spec: object) -> None:
        """The user deletes the EdgeModel without its children, and applies it again."""
        self.api.objects.pop(MODEL)
        self.operator.watches.changed(MODEL)
        self.create_model(uid)
        self.edit(lambda found: found.update(spec))

    def add_node(self, name: str) -> None:
        """Another node joins."""
        self.edges[name] = Edge(name)

    def remove_node(self, name: str) -> None:
        """A node and what ran on it are gone."""
        del self.edges[name]
        self.api.remove(("Pod", f"{KEY.name}-{name}"))

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

    # How time passes

    def step(self) -> None:
        """Five seconds in the life of everything."""
        self.now += timedelta(seconds=STEP)
        wish = self.wish
        for edge in self.edges.values():
            edge.step(self.script, wish)
        self.kubelets.step(self.script, self.now)
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
        assert not self.calm, "the operator does not come to rest"

    @property
    def _excused(self) -> bool:
        """Whether something is there to do of which the operator will hear only later, or that it has put off."""
        return self._clock_set or self.operator.stumbling or self.operator.looking or self.operator.watches.behind

    def _run_operator(self) -> None:
        self.operator.advance(self.now, STEP)
        if self.down:
            self.checks.denied.clear()  # meanwhile nodes come and go unseen
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
            self._clock_set = False
        elif not self._excused and (seen := self.operator.observe()) is not None:
            idle = decide(seen, IMAGES)
            assert idle.actions == (), f"nobody would have woken the operator for {changes(seen, idle)}"
        if self.calm and not self.operator.stumbling:
            self.checks.honest(self.status, self.edges)
