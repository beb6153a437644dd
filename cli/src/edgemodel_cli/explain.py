"""Why an EdgeModel is as it is: which check says so, on what evidence, and what would change it. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from edgemodel_cli.advice import ADVICE, CHECKS, command
from edgemodel_cli.seen import Body, Condition, Seen, age, printable, text

NOTABLE = {"Ready": "False", "Stalled": "True", "Degraded": "True", "TelemetryFresh": "False", "Healing": "False"}
"""Conditions that ask for an explanation when they have this status."""
GOING_ON = ("Paused", "AwaitingApproval", "Reconciling", "RollingOut", "Healing", "Distilling")
"""Conditions that name what is waited for while they are true."""
BARRING = ("VersionQuarantined", "BackupServing")
"""Reasons whose evidence is that of the heal that left the wished version."""
PROVING = ("Acting", "Settling", "WaitingForEvidence")
"""Reasons whose evidence is that of the heal under proof."""
IDLE = ("NothingToHeal", "NothingWaits")

BLAME = {
    "Version": "enough nodes that serve it report the fault",
    "Node": "too few of the nodes that serve the version report it",
    "Input": "the backup shows it too, or a version that was good drifts everywhere",
    "Cloud": "it is about the cloud's answers, or an alert that no rule explains while the cloud fails on a quorum",
    "Telemetry": "the nodes that reported it do not report any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One condition: what it says, the check that says so, on what evidence, and what would change it."""

    type: str
    status: str
    reason: str
    since: str
    message: str
    check: str
    evidence: str
    changes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One active fault, on whom it is blamed, and what was tried."""

    name: str
    since: str
    nodes: str
    blame: str
    because: str
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an EdgeModel is as it is."""

    state: tuple[str, ...]
    why: tuple[Why, ...]
    faults: tuple[Fault, ...]
    under_way: tuple[Why, ...]
    asked: tuple[str, ...]
    next: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        found = asdict(self)
        return {("underWay" if key == "under_way" else key): value for key, value in found.items()}


def explain(model: Seen) -> Explanation:
    """Everything a person needs to know why; `next` always has something."""
    reasons = [c for c in model.conditions if NOTABLE.get(c.type) == c.status and c.reason not in IDLE]
    going_on = [c for c in model.conditions if c.type in GOING_ON and c.status == "True"]
    return Explanation(
        state=tuple(_state(model)),
        why=tuple(_why(model, condition) for condition in reasons),
        faults=tuple(_fault(model, fault) for fault in model.items("faults")),
        under_way=tuple(_why(model, condition) for condition in going_on),
        asked=tuple(map(_asked, model.items("verbs")[-1:])),
        next=tuple(_next(model, [*reasons, *going_on])) or (_nothing(model, going_on),),
    )


def lines(found: Explanation, now: datetime) -> Iterator[str]:
    """`found` for people; what belongs to a line is indented under it."""
    yield from found.state
    yield from _section("why", [line for why in found.why for line in _told(why, now)])
    yield from _section("faults", [line for fault in found.faults for line in _fault_lines(fault, now)])
    yield from _section("under way", [line for why in found.under_way for line in _told(why, now)])
    yield from _section("last asked", found.asked)
    yield from _section("next", found.next)


def _why(model: Seen, condition: Condition) -> Why:
    known = ADVICE.get(condition.reason)
    return Why(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        since=condition.since,
        message=condition.message,
        check=f"{known.check}: {CHECKS[known.check]}" if known else "",
        evidence=_evidence(model, condition.reason),
        changes=known.changes if known else "",
    )


def _evidence(model: Seen, reason: str) -> str:
    """What was seen when it was decided, where the status still has it."""
    if reason in BARRING:
        wished = model.spec.get("version")
        left = [heal for heal in model.items("heals") if heal.get("from") == wished and heal.get("evidence")]
        return f"{text(left[-1], 'evidence')}, at {text(left[-1], 'at')}" if left else ""
    if reason in PROVING:
        under_proof = [heal for heal in model.items("heals") if not heal.get("verdict")]
        return text(under_proof[-1], "evidence") if under_proof else ""
    return ""


def _state(model: Seen) -> Iterator[str]:
    found = model.condition("Ready")
    if found is None:
        yield f"{model.name}: no operator has looked at it: see that one runs and watches namespace {model.namespace}"
        return
    word = {"True": "is ready", "False": "is not ready"}.get(found.status, "may or may not be ready")
    yield f"{model.name} {word}: {found.message}"
    serving, wished = text(model.status, "version", "nothing"), text(model.spec, "version")
    if serving != wished:
        yield f"{wished} is wished; {serving} serves{_why_other(model, serving, wished)}"


def _why_other(model: Seen, serving: str, wished: str) -> str:
    by_name = {version.get("name"): version for version in model.items("versions")}
    left, present = by_name.get(wished, {}), by_name.get(serving, {})
    if model.part("rollout").get("to") == wished:
        return f": {wished} is being rolled out"
    if left.get("state") in ("Quarantined", "Rejected"):
        return f": {wished} is {text(left, 'state')} ({text(left, 'reason')})"
    if present.get("origin") == "Distilled":
        return ": it was distilled here and passed its rollout"
    if any(v.get("verb") == "rollback-to" and v.get("argument") == serving for v in model.items("verbs")):
        return ": a person rolled back to it"
    return ""


def _fault(model: Seen, fault: Body) -> Fault:
    name, blame = text(fault, "name"), text(fault, "blame")
    return Fault(
        name=name,
        since=text(fault, "since"),
        nodes=printable(", ".join(map(str, fault.get("nodes", ())))),
        blame=blame,
        because=BLAME.get(blame, ""),
        tried=tuple(
            f"{text(heal, 'action')} {text(heal, 'verdict', 'is under proof')}; seen: {text(heal, 'evidence')}"
            for heal in model.items("heals")
            if heal.get("fault") == name
        ),
    )


def _next(model: Seen, concerned: list[Condition]) -> Iterator[str]:
    for waiting in model.waiting:
        about = f"{model.name} {text(waiting, 'subject')} -n {model.namespace}"
        yield from (f"edgemodel approve {about}", f"or: edgemodel reject {about}")
    yield from dict.fromkeys(filter(None, (command(condition.reason, model) for condition in concerned)))


def _nothing(model: Seen, going_on: list[Condition]) -> str:
    if model.condition("Ready") is None:
        return f"edgemodel doctor {model.name} -n {model.namespace}"
    return "wait: the operator goes on by itself" if going_on else "nothing to do"


def _told(why: Why, now: datetime) -> Iterator[str]:
    yield f"{why.type} is {why.status}, {why.reason}{_since(why.since, now)}: {why.message}"
    if why.check:
        yield f"  check: {why.check}"
    if why.evidence:
        yield f"  seen: {why.evidence}"
    if why.changes:
        yield f"  changes when {why.changes}"


def _fault_lines(fault: Fault, now: datetime) -> Iterator[str]:
    yield f"{fault.name}{_since(fault.since, now)} on {fault.nodes}; {fault.blame} is blamed: {fault.because}"
    yield from (f"  {line}" for line in fault.tried)


def _asked(entry: Body) -> str:
    return f"{text(entry, 'verb')} {text(entry, 'argument')}: {text(entry, 'result')}, {text(entry, 'message')}"


def _section(title: str, found: "tuple[str, ...] | list[str]") -> Iterator[str]:
    if found:
        yield ""
        yield title
        yield from (f"  {line}" for line in found)


def _since(since: str, now: datetime) -> str:
    length = age(since, now)
    return f" for {length}" if length else ""
