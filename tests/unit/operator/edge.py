"""A node of the simulated world: carries out the wish, detects scripted faults, heals itself, reports."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edgemodel import series
from edgemodel.ladder import ActionType
from edgemodel.tally import PARTS, Tally
from edgemodel.wish import Artifact, Assignment, Wish
from edgemodel_operator.model.observation import Judged
from edgemodel_operator.signals.reports import Sample
from tests.unit.operator.script import Lie, Script

FETCH_STEPS = 2
"""Steps from a new wish to the flip."""
VERDICT_STEPS = 3
"""Steps with traffic after a flip until the rules have a verdict."""
BOOT_STEPS = 2
"""Steps from the power switch to the first answer."""
SIGHT_STEPS = 3
"""Steps without a link until the control plane calls the node's state unknown."""
LEFT_STEPS = 60
"""Steps (five minutes) for which what is not told any more is still there, where nobody marks its end."""
COUNTED = (series.ANSWERED_SINCE_SWITCH, series.TALLY_BEGAN, series.TALLY_ANSWERED, series.TALLY)


@dataclass
class Edge:
    """One node and the pod on it."""

    name: str
    linked: bool = True
    powered: bool = True
    booting: int = 0
    """Steps until it answers again."""
    silent: int = 0
    """Steps since the link was cut."""
    installed: bool = False
    wish: Wish | None = None
    active: Artifact | None = None
    reason: str = ""
    fetching: tuple[str, int] = ("", 0)
    pending: tuple[Artifact, str] | None = None
    """What cannot be had, or taken, now, and the code."""
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By digest: version and reason."""
    answered: int = 0
    judged: int = 0
    samples: int = 0
    cleared: dict[str, int] = field(default_factory=dict)
    """What the wish lists as cleared, as of the last look."""
    heals_last_hour: int = 0
    acted: dict[Judged, float] = field(default_factory=dict)
    """What it did about faults and how that ended: when it judged that, by its own clock."""
    held: dict[str, str] = field(default_factory=dict)
    """By fault: why it does nothing more about it by itself."""
    served: list[str] = field(default_factory=list)
    """Names of versions in the order in which they served here."""
    tally: Tally = field(default_factory=lambda: Tally(began=0.0))
    age: int = 0
    """Steps since it was made."""
    exported: tuple[Sample, ...] = ()
    """What was scraped last."""
    left: tuple[Sample, ...] = ()
    """What was told of the version before, or by the pod before, and is still there beside what is told now."""
    left_at: int = 0
    """Its age then."""

    @property
    def in_sight(self) -> bool:
        """Whether the control plane hears of the node."""
        return self.silent < SIGHT_STEPS

    @property
    def reachable(self) -> bool:
        """Whether anything gets through to it."""
        return self.linked and self.powered

    @property
    def answers(self) -> bool:
        """Whether a request to it is answered."""
        return self.powered and not self.booting and self.active is not None

    def power(self, on: bool) -> None:
        """Pull the plug, or put it in again: what is on the disk stays, what was counted is forgotten."""
        self.powered, self.booting = on, BOOT_STEPS
        self.answered = self.judged = 0
        self.tally = Tally(began=self.age)
        self.fetching = ("", 0)

    def remove(self) -> None:
        """The pod and what it had are gone."""
        fresh = Edge(self.name, linked=self.linked, powered=self.powered, silent=self.silent, age=self.age)
        told = [sample for sample in self.exported if "instance" not in sample.labels]
        fresh.left = tuple(replace(sample, labels={**sample.labels, "instance": "the pod before"}) for sample in told)
        fresh.left_at = self.age
        self.__dict__.update(fresh.__dict__)

    def step(self, script: Script, wish: Wish | None) -> None:
        """Live through one step; `wish` is the ConfigMap's, which only a linked node sees."""
        self.silent = 0 if self.reachable else self.silent + 1
        self.age += 1
        if not self.installed or not self.powered:
            return
        if self.booting:
            self.booting -= 1
            return
        if self.linked and wish is not None:
            self.wish = wish
        if self.wish is not None:
            self._follow(script, self.wish)
        if self.active is not None and script.requests:
            self.answered += script.requests
            self.judged += 1
            self.samples += 1
            self._count(script, self.active.digest)
        if self.wish is not None and script.heal_locally:
            self._heal(script, self.wish)

    def faults(self, script: Script) -> dict[str, bool]:
        """Verdicts by rule; empty before the first one, and without traffic."""
        if self.wish is None or self.active is None or self.judged < VERDICT_STEPS:
            return {}
        if not (script.requests and script.verdicts):
            return {}
        fault = script.fault_of(self.name, self.active.digest)
        return {rule.name: rule.name == fault for rule in self.wish.rules}

    def scrape(self, namespace: str, model: str, script: Script) -> tuple[Sample, ...]:
        """What a scrape gets."""
        lie = script.lies.get(self.name)
        if lie is Lie.SILENT or not self.installed or not self.reachable or self.booting:
            return ()
        if lie is not Lie.STALE:
            self.exported = tuple(self.report(namespace, model, script))
        match lie:
            case Lie.NAN:
                return tuple(replace(sample, value=math.nan) for sample in self.exported)
            case Lie.BOAST:
                return tuple(self._boast(series.identity(model, namespace, self.name)))
        return self.exported

    def report(self, namespace: str, model: str, script: Script) -> Iterator[Sample]:
        """What the pod exports, after what is still there of what was exported before."""
        labels = series.identity(model, namespace, self.name)
        if self.age - self.left_at < LEFT_STEPS:
            active = None if self.active is None else self.active.name
            yield from (s for s in self.left if "instance" in s.labels or s.labels["version"] != active)
        if self.wish is not None:
            yield Sample(series.WISH_REVISION, labels, self.wish.revision)
        if self.active is not None:
            serving = {"version": self.active.name, "digest": self.active.digest, "reason": self.reason}
            yield Sample(series.SERVING_INFO, labels | serving, 1)
            yield Sample(series.ANSWERED_SINCE_SWITCH, labels | {"version": self.active.name}, self.answered)
            yield from self._tallied(script, labels | {"version": self.active.name})
        for fault, on in self.faults(script).items():
            yield Sample(series.FAULT_ACTIVE, labels | {"fault": fault}, float(on))
        for digest, (version, reason) in self.refused.items():
            yield Sample(series.REFUSED_INFO, labels | {"digest": digest, "version": version, "reason": reason}, 1)
        if self.pending is not None:
            artifact, code = self.pending
            pending = {"version": artifact.name, "digest": artifact.digest, "reason": code}
            yield Sample(series.FETCH_PENDING, labels | pending, 1)
        yield Sample(series.SAMPLES_PUSHED, labels, self.samples)
        yield Sample(series.HEALS_LAST_HOUR, labels, self.heals_last_hour)
        for (fault, action, verdict), at in self.acted.items():
            yield Sample(series.HEAL_JUDGED, labels | {"fault": fault, "action": action, "verdict": verdict}, at)
        if self.name in script.cloudless:
            yield Sample(series.CLOUD_BREAKER, labels | {"state": "open"}, 1)
        for fault, reason in self.held.items():
            yield Sample(series.LADDER_HELD, labels | {"fault": fault, "reason": reason}, 1)

    def _count(self, script: Script, digest: str) -> None:
        if script.traffic is None:
            return
        moments = dict(self.tally.moments)
        for measure, value in script.traffic.interval(self.name, digest).items():
            moments[measure] = moments[measure].add(value)
        self.tally = replace(self.tally, answered=self.tally.answered + script.requests, moments=moments)

    def _tallied(self, script: Script, labels: dict[str, str]) -> Iterator[Sample]:
        yield Sample(series.TALLY_BEGAN, labels, self.tally.began)
        if script.traffic is None:
            return
        yield Sample(series.TALLY_ANSWERED, labels, self.tally.answered)
        for measure, moments in self.tally.moments.items():
            for part in PARTS:
                yield Sample(series.TALLY, labels | {"of": measure.value, "part": part}, getattr(moments, part))

    def _boast(self, labels: dict[str, str]) -> Iterator[Sample]:
        told = None if self.wish is None else self.wish.for_node(self.name)
        if self.wish is None or told is None:
            return
        serving = {"version": told.active.name, "digest": told.active.digest, "reason": "Wish"}
        yield Sample(series.WISH_REVISION, labels, self.wish.revision)
        yield Sample(series.SERVING_INFO, labels | serving, 1)
        yield Sample(series.ANSWERED_SINCE_SWITCH, labels | {"version": told.active.name}, 1e6)
        for rule in self.wish.rules:
            yield Sample(series.FAULT_ACTIVE, labels | {"fault": rule.name}, 0)

    def _follow(self, script: Script, wish: Wish) -> None:
        for digest, number in wish.clearings.items():
            if number > self.cleared.get(digest, 0):
                self.refused.pop(digest, None)
        self.cleared = wish.clearings
        assignment = wish.for_node(self.name)
        unsigned = script.unsigned if wish.trusted_keys is not None else {}
        self.pending = None
        if self.active is not None and self.active.digest in unsigned:
            self.pending = (self.active, unsigned[self.active.digest])
        target = None if assignment is None else self._allowed(assignment, wish)
        if target is None or (self.active is not None and self.active.digest == target.digest):
            self.fetching = ("", 0)
            return
        kept_from = unsigned.get(target.digest) or script.unreachable.get(target.digest)
        if kept_from is not None:
            self.pending = (target, kept_from)
            return
        digest, left = self.fetching if self.fetching[0] == target.digest else (target.digest, FETCH_STEPS)
        self.fetching = (digest, left - 1)
        if left > 1:
            return
        if target.digest in script.broken:
            self.refused[target.digest] = (target.name, script.broken[target.digest])
            return
        self._flip(target, "Wish")

    def _allowed(self, assignment: Assignment, wish: Wish) -> Artifact | None:
        barred = self.refused.keys() | set(wish.refused)
        wanted = (assignment.active, assignment.backup)
        return next((artifact for artifact in wanted if artifact is not None and artifact.digest not in barred), None)

    def _flip(self, target: Artifact, reason: str) -> None:
        self.left_at, self.left = self.age, tuple(s for s in self.exported if s.name in (series.SERVING_INFO, *COUNTED))
        self.active, self.reason = target, reason
        self.answered = self.judged = 0
        self.tally = Tally(began=self.age)
        self.served.append(target.name)

    def _heal(self, script: Script, wish: Wish) -> None:
        assignment = wish.for_node(self.name)
        if assignment is None or assignment.backup is None or self.active is None:
            return
        backup, left = assignment.backup, self.active
        for fault, on in self.faults(script).items():
            strategy = wish.healing.strategy(fault)
            first = strategy.actions[0].type if on and strategy is not None else None
            if first is ActionType.SWITCH_MODEL and backup.digest not in {left.digest, *self.refused, *wish.refused}:
                self.refused[left.digest] = (left.name, fault)
                self._flip(backup, "Fallback")
                return
