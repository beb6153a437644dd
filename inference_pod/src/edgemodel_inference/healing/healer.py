"""The local ladder: acts on what this node's own detector sees, with no network at all.

`edgemodel.ladder` decides; this carries out its steps for the local actions of a strategy, up to the first that is
not local: from there on the operator climbs. A version that becomes active by wish starts every ladder anew: what was
tried about another version says nothing about it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from edgemodel.faults import Rule
from edgemodel.ladder import (
    LOCAL_ACTIONS,
    NODE_ACTIONS,
    Act,
    ActionType,
    Close,
    Evidence,
    Hold,
    Limits,
    Rest,
    Step,
    Verdict,
    Wait,
    next_step,
    patience,
)
from edgemodel.turns import seconds_until
from edgemodel.wish import Held, LocalAction, LocalStrategy, Webhook, Wish
from edgemodel_inference import logs
from edgemodel_inference.healing.detector import FaultWatch
from edgemodel_inference.healing.journal import Journal
from edgemodel_inference.model.models import Model
from edgemodel_inference.wish.serving import Switch

HAND_OVER = 60.0
"""Seconds that a process which asked to be replaced leaves the proof to its successor; then it heals on itself."""

log = logs.Log("edgemodel.healer")


class Body(Protocol):
    """What the healer acts upon."""

    @property
    def active(self) -> Model | None: ...

    @property
    def backup(self) -> Model | None: ...

    def fall_back(self, reason: str, message: str) -> Switch | None: ...


class Caller(Protocol):
    """What webhooks are sent with."""

    def send(self, hook: Webhook, fault: str, body: Mapping[str, object]) -> None: ...

    def failed(self) -> dict[str, str]: ...


class Healer:
    """Called by one thread, once per interval and when something is due."""

    def __init__(  # noqa: PLR0913 (what it acts upon)
        self,
        node: str,
        journal: Journal,
        body: Body,
        *,
        restart: Callable[[str], None],
        clear_cache: Callable[[], None],
        webhooks: Caller,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`restart` asks for this process to be replaced, giving the fault; `wall`: seconds of the epoch."""
        self._node = node
        self._journal = journal
        self._body = body
        self._restart = restart
        self._clear_cache = clear_cache
        self._webhooks = webhooks
        self._wall = wall
        self._due: dict[str, float] = {}
        self._quiet_until = 0.0
        self.stances: dict[str, str] = {}
        """For /status: what the ladder of each fault waits for."""
        self.held: dict[str, str] = {}
        """By fault: why nothing more is done about it here."""

    def follow(self, wish: Wish, now: float) -> None:
        """Take note when the wished version has become the active one: its ladders begin anew.

        Not before: while it is on its way, what was tried about the present one still counts. And not when this node
        had fallen back to it already: then the wish adopts what was done, and the proof goes on.
        """
        assignment, active = wish.for_node(self._node), self._body.active
        if assignment is None or active is None or active.digest != assignment.active.digest:
            return
        digest, last = active.digest, self._journal.assignment()
        cleared = wish.clearings.get(digest, 0)
        if last is not None and last.to == digest and last.cleared >= cleared:
            return
        adopted = self._journal.fell_back_to() == digest
        if not adopted:
            self._close_open_attempts(wish, now)
        self._journal.note_assignment(now, digest, cleared=cleared, adopted=adopted)

    def _close_open_attempts(self, wish: Wish, now: float) -> None:
        for rule in wish.rules:
            attempts = self._journal.attempts(rule.name)
            if attempts and attempts[-1].verdict is None:
                self._journal.note_verdict(now, rule.name, attempts[-1].action, Verdict.UNPROVED, "NewAssignment")

    def step(self, wish: Wish, watch: FaultWatch, answered: int, now: float) -> None:
        """One look at every fault; at most one action, for after it the others' evidence is another.

        Args:
            wish: the one in force.
            watch: what the detector knows.
            answered: requests answered well since the last switch or start.
            now: monotonic seconds.
        """
        if now < self._quiet_until:
            return
        names = {rule.name for rule in wish.rules}
        self.held = {fault: why for fault, why in self.held.items() if fault in names}
        for fault, why in self._webhooks.failed().items():
            if (attempts := self._journal.attempts(fault)) and attempts[-1].verdict is None:
                self._journal.note_verdict(now, fault, attempts[-1].action, Verdict.FAILED, why)
        for rule in wish.rules:
            actions = local_actions(rule, wish.healing.strategy(rule.name))
            if actions and self._tend(rule, actions, wish, watch, answered, now):
                return

    def _tend(  # noqa: PLR0913, PLR0917 (a step's arguments, and the rule)
        self, rule: Rule, actions: Sequence[LocalAction], wish: Wish, watch: FaultWatch, answered: int, now: float
    ) -> bool:
        attempts = self._journal.attempts(rule.name)
        evidence = Evidence(active=watch.active(rule.name), samples=answered)
        step = next_step([a.type for a in actions], attempts, evidence, limits(wish, rule), now)
        if isinstance(step, Act) and wish.healing.held is Held.EVERYTHING:
            step = Hold("HealStorm")
        self._note_stance(rule.name, step)
        match step:
            case Act(index):
                return self._act_when_due(rule, actions[index], wish, watch, now)
            case Close(verdict):
                evidence_text = f"active={evidence.active} samples={evidence.samples}"
                self._journal.note_verdict(now, rule.name, attempts[-1].action, verdict, evidence_text)
            case Rest() | Wait() | Hold():
                self._due.pop(rule.name, None)
        return False

    def _note_stance(self, fault: str, step: Step) -> None:
        self.stances[fault] = _words(step)
        others = {name: why for name, why in self.held.items() if name != fault}
        self.held = {**others, fault: step.reason} if isinstance(step, Hold) else others

    def _may_interrupt(self, fault: str, action: LocalAction, wish: Wish) -> bool:
        """Whether the fleet can spare this node for what may interrupt it."""
        if action.type not in NODE_ACTIONS:
            return True
        if wish.healing.held is Held.NODE_ACTIONS:
            self.stances[fault] = "TooFewServe"
            return False
        wait = seconds_until(self._node, wish.healing.turns, self._wall())
        if wait:
            self.stances[fault] = f"NotItsTurn for {wait:.0f} s"
        return wait == 0

    def _act_when_due(self, rule: Rule, action: LocalAction, wish: Wish, watch: FaultWatch, now: float) -> bool:
        due = self._due.setdefault(rule.name, now + action.delay)
        if now < due or not self._may_interrupt(rule.name, action, wish):
            return False
        del self._due[rule.name]
        firing = watch.last_firing(rule.name)
        evidence = f"{rule.metric} {firing.value:.6g} {rule.operator} {rule.threshold:.6g}" if firing else ""
        left, to = self._body.active, self._body.backup if action.type is ActionType.SWITCH_MODEL else None
        digests = (left.digest if left else None, to.digest if to else None)
        self._journal.note_attempt(now, rule.name, action.type, evidence, *digests)
        match action.type:
            case ActionType.RESTART:
                self._quiet_until = now + HAND_OVER
                self._restart(rule.name)
            case ActionType.CLEAR_CACHE:
                self._clear_cache()
            case ActionType.WEBHOOK if action.webhook is not None:
                self._webhooks.send(action.webhook, rule.name, self._message(rule, wish, evidence))
            case _ if self._body.fall_back(rule.name, evidence) is None:
                self._journal.note_verdict(now, rule.name, action.type, Verdict.FAILED, "NoBackup")
        return True

    def _message(self, rule: Rule, wish: Wish, evidence: str) -> dict[str, object]:
        """What a webhook is told."""
        active = self._body.active
        return {
            "edgemodel": wish.model,
            "namespace": wish.namespace,
            "node": self._node,
            "fault": rule.name,
            "severity": rule.severity.value,
            "evidence": evidence,
            "version": active.version if active is not None else None,
            "digest": active.digest if active is not None else None,
            "at": datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds"),
        }


def local_actions(rule: Rule, strategy: LocalStrategy | None) -> list[LocalAction]:
    """The strategy's actions up to the first that is not local; nothing but a webhook changes what the cloud does."""
    local: list[LocalAction] = []
    for action in strategy.actions if strategy is not None else ():
        if action.type not in LOCAL_ACTIONS:
            break
        if action.type is ActionType.WEBHOOK or not rule.about_cloud:
            local.append(action)
    return local


def limits(wish: Wish, rule: Rule) -> Limits:
    """The wish's limits; evidence is waited for at least as long as the rule needs to give a verdict."""
    healing = wish.healing
    return Limits(
        settle=healing.settle,
        min_samples=healing.min_samples,
        patience=patience(rule, wish.interval),
        cooldown=healing.cooldown,
        max_per_hour=healing.max_per_hour,
    )


def _words(step: Step) -> str:
    match step:
        case Act(index):
            return f"Act {index}"
        case Close(verdict):
            return f"Close {verdict}"
        case Wait(_, reason):
            return reason
        case Hold(reason):
            return f"Hold {reason}"
        case Rest():
            return "Rest"
