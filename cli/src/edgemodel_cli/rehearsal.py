"""What rules and ladder would have made of recorded samples. Pure: the detector and the ladder are the nodes' own.

The recording does not change when something is done about a fault: a fault that goes away by itself after an action
counts as healed by it, and one that stays makes the ladder climb.
"""

from dataclasses import dataclass, field
from typing import Any

from edgemodel import ladder
from edgemodel.activity import Activity
from edgemodel.faults import Detector, Firing, Rule
from edgemodel.ladder import Act, ActionType, Attempt, Close, Evidence, Hold, Rest, Verdict, Wait
from edgemodel_cli.recording import Moment, Recording, Row
from edgemodel_cli.rules_file import Rules

REQUESTS = "requests_per_second"


@dataclass(frozen=True, slots=True)
class Fired:
    """One firing, its time as the file gives it, and what the ladder said then."""

    time: Moment
    firing: Firing
    ladder: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        firing = self.firing
        return {
            "time": self.time,
            "rule": firing.rule,
            "metric": firing.metric,
            "value": firing.value,
            "threshold": firing.threshold,
            "severity": firing.severity.value,
            "ladder": self.ladder,
        }


@dataclass(frozen=True, slots=True)
class Rung:
    """One thing that the ladder would have done or said: an action, a verdict about one, or why it does nothing."""

    time: Moment
    fault: str
    step: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"time": self.time, "fault": self.fault, "step": self.step}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How it went."""

    firings: tuple[Fired, ...]
    rungs: tuple[Rung, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"firings": [f.as_json() for f in self.firings], "ladder": [r.as_json() for r in self.rungs]}


@dataclass(slots=True)
class _Fault:
    """What is known of one rule's fault on the way."""

    rule: Rule
    actions: list[ActionType]
    activity: Activity = field(default_factory=Activity)
    answered: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    said: str = ""


def rehearse(rules: Rules, recording: Recording) -> Rehearsal:
    """Feed the recording to the detector row by row, and ask the ladder after each."""
    detector = Detector(rules.rules)
    faults = [_Fault(rule, rules.actions(rule.name)) for rule in rules.rules]
    firings: list[Fired] = []
    rungs: list[Rung] = []
    last = recording.rows[0].at if recording.rows else 0.0
    for row in recording.rows:
        fired = {firing.rule: firing for firing in detector.feed(row.samples, row.at)}
        for fault in faults:
            _note(fault, detector, row, fired=fault.rule.name in fired, seconds=row.at - last)
            said = _ask(fault, rules, recording, row.at)
            if said and said != fault.said and fault.actions:
                rungs.append(Rung(row.time, fault.rule.name, said))
            fault.said = said
            if fault.rule.name in fired:
                firings.append(Fired(row.time, fired[fault.rule.name], said if fault.actions else "no strategy"))
        last = row.at
    return Rehearsal(tuple(firings), tuple(rungs))


def _note(fault: _Fault, detector: Detector, row: Row, *, fired: bool, seconds: float) -> None:
    """As nodes do it."""
    fault.answered += (row.samples.get(REQUESTS) or 0.0) * seconds
    if row.samples.get(fault.rule.metric) is not None:
        fault.activity.note(fault.rule, detector.judgement(fault.rule), fired=fired)


def _ask(fault: _Fault, rules: Rules, recording: Recording, now: float) -> str:
    """What the ladder says now; attempts are kept in `fault`. Where nobody recorded requests there were enough."""
    counted = REQUESTS in recording.metrics
    evidence = Evidence(
        active=fault.activity.active, samples=int(fault.answered) if counted else rules.limits.min_samples
    )
    match ladder.next_step(fault.actions, fault.attempts, evidence, rules.limits, now):
        case Act(index):
            fault.attempts.append(Attempt(action=fault.actions[index], at=now))
            fault.answered = 0.0
            return fault.actions[index].value
        case Close(verdict):
            attempt = fault.attempts[-1]
            if attempt.action is ActionType.ALERT and verdict is not Verdict.PROVED:
                return f"waits for a person after {attempt.action.value}"
            fault.attempts[-1] = Attempt(action=attempt.action, at=attempt.at, verdict=verdict)
            return f"{attempt.action.value}: {verdict.value}"
        case Wait(_, reason):
            return f"waits: {reason}"
        case Hold(reason):
            return f"holds: {reason}"
        case Rest():
            return ""
