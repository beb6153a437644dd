"""The next step of a healing ladder, given its record; one piece for the node and the operator.

A ladder is an ordered list of actions. Each attempt is a claim that has to be proved: after `settle` the same
detector must be quiet, with enough samples. Failed climbs to the next action; without evidence nothing is
claimed and nothing more is done (Unproved). Times are seconds on the caller's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgemodel.faults import Rule

PATIENCE = 300.0
"""Seconds for which evidence about any fault is waited for at least."""


class ActionType(StrEnum):
    """What can be done about a fault."""

    SWITCH_MODEL = "SwitchModel"
    RESTART = "Restart"
    CLEAR_CACHE = "ClearCache"
    WEBHOOK = "Webhook"
    REDISTILL = "Redistill"
    ALERT = "Alert"


NODE_ACTIONS = frozenset({ActionType.RESTART, ActionType.CLEAR_CACHE, ActionType.WEBHOOK})
"""Actions that only a node takes. They may interrupt it, so that nodes take turns at them (see `edgemodel.turns`)."""

LOCAL_ACTIONS = NODE_ACTIONS | {ActionType.SWITCH_MODEL}
"""Actions a node may take by itself; the others are the operator's alone."""


class Verdict(StrEnum):
    """How an attempt ended."""

    PROVED = "Proved"
    FAILED = "Failed"
    UNPROVED = "Unproved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When evidence counts and how often may be acted. Durations in seconds."""

    settle: float = 60.0
    min_samples: int = 30
    patience: float = PATIENCE
    """How long after `settle` evidence is waited for before an attempt is closed as Unproved."""
    cooldown: float = 300.0
    max_per_hour: int = 4


def patience(rule: Rule | None, interval: float) -> float:
    """How long after `settle` evidence about the fault of `rule` is waited for, in seconds: as long as that rule needs.

    Args:
        rule: takes one sample per interval, and after an action begins with none; None: an alert tells of the fault.
        interval: seconds.
    """
    return PATIENCE if rule is None else max(PATIENCE, interval * rule.samples_needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One action taken, and how it ended (None: still under proof)."""

    action: ActionType
    at: float
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known now about the fault: `active` None means nobody measured."""

    active: bool | None
    samples: int = 0
    """Samples (answered requests) seen since the open attempt."""


@dataclass(frozen=True, slots=True)
class Act:
    """Take action number `index` of the ladder now."""

    index: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close the open attempt with this verdict."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`."""

    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing more may be done by itself; `reason` is CamelCase."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rest:
    """No fault, nothing under proof."""


Step = Act | Close | Wait | Hold | Rest


def next_step(
    actions: Sequence[ActionType], attempts: Sequence[Attempt], evidence: Evidence, limits: Limits, now: float
) -> Step:
    """What to do next about one fault. `attempts` are those for this fault, oldest first."""
    if attempts and attempts[-1].verdict is None:
        return _prove(attempts[-1], evidence, limits, now)
    if evidence.active is not True:
        return Rest()
    return _climb(actions, attempts, limits, now)


def _prove(attempt: Attempt, evidence: Evidence, limits: Limits, now: float) -> Step:
    """An action is a claim: after `settle` the same detector must be quiet, with enough samples."""
    settled = attempt.at + limits.settle
    if now < settled:
        return Wait(settled, "Settling")
    if evidence.active is True:
        return Close(Verdict.FAILED)
    if evidence.active is False and evidence.samples >= limits.min_samples:
        return Close(Verdict.PROVED)
    if now >= settled + limits.patience:
        return Close(Verdict.UNPROVED)
    return Wait(settled + limits.patience, "WaitingForEvidence")


def _climb(actions: Sequence[ActionType], attempts: Sequence[Attempt], limits: Limits, now: float) -> Step:
    """The next action, unless there were too many, the last is too recent, or none is left."""
    recent = [a for a in attempts if a.at > now - 3600]
    if len(recent) >= limits.max_per_hour:
        return Hold("TooManyHeals")
    rung = rung_of(attempts)
    if rung == 0 and attempts and now < attempts[-1].at + limits.cooldown:
        reason = "Unproved" if attempts[-1].verdict is Verdict.UNPROVED else "CoolingDown"
        return Wait(attempts[-1].at + limits.cooldown, reason)
    return Act(rung) if rung < len(actions) else Hold("LadderExhausted")


def rung_of(attempts: Sequence[Attempt]) -> int:
    """How many actions in a row failed most recently: the index of the next action."""
    rung = 0
    for attempt in reversed(attempts):
        if attempt.verdict is not Verdict.FAILED:
            break
        rung += 1
    return rung
