"""Why an EdgeModel is as it is, and what comes next, in sentences. Pure."""

from collections.abc import Iterator
from datetime import datetime

from edgemodel_cli.seen import Body, Seen, age, printable, text

GOING_ON = ("Paused", "Reconciling", "RollingOut", "Healing", "Distilling")
"""Conditions that name what is waited for while they are true."""

ADVICE = {
    "PausedByPerson": "edgemodel resume {name}: until then nothing is decided",
    "VersionQuarantined": "wish another version, or let it serve again: edgemodel clear-quarantine {name} {wished}",
    "InvalidSpec": "correct the fields that are named",
    "ArtifactRefused": "push a bundle that edgemodel bundle verify accepts, and wish its digest",
    "ArtifactUnreachable": "see that nodes reach the registry, and that spec.registry has its login and certificates",
    "ProgressDeadlineExceeded": "look at the nodes of the rollout; back: edgemodel rollback {name} {last_good}",
    "NameTaken": "delete or rename the object that is named",
    "Forbidden": "give the operator's role the permission that is named",
    "NoNodes": "label a node, or change spec.placement.nodeSelector",
    "PersonAsked": "look at the nodes and their input; back: edgemodel rollback {name} {last_good}",
    "LadderExhausted": "everything in the strategy was tried: wish another version, or edgemodel redistill {name}",
    "TooManyHeals": "find what makes the fault come back; spec.healing.maxPerHour is what holds",
    "NoStrategy": "name the fault in spec.healing.strategies, or act yourself: edgemodel rollback {name} {last_good}",
    "Unproved": "nothing came in that would prove the heal: see that requests are answered and measured",
    "Absent": "see that the pods can be scraped, or that Prometheus answers",
    "Stale": "see that the nodes that are named can be measured",
}
"""By the reason of a condition: what a person may do about it."""

NOTABLE = {"Ready": "False", "Stalled": "True", "Degraded": "True", "Healing": "False", "TelemetryFresh": "False"}
"""Conditions that ask for an explanation when they have this status."""

BLAME = {
    "Version": "enough nodes that serve it report the fault",
    "Node": "too few of the nodes that serve the version report it",
    "Input": "the backup shows it too, or a version that was good drifts everywhere",
    "Unknown": "too little is known to say",
}


def explain(model: Seen, now: datetime) -> Iterator[str]:
    """Lines for a person: the state, why, the faults with their evidence, what is waited for, what comes next."""
    yield from _state(model)
    reasons = [c for c in model.conditions if NOTABLE.get(c.type) == c.status and c.reason != "NothingToHeal"]
    why = [f"{c.type} is {c.status}, {c.reason}{_since(c.since, now)}: {c.message}" for c in reasons]
    yield from _section("why", why)
    yield from _section("faults", [line for fault in model.items("faults") for line in _fault(model, fault, now)])
    going_on = [c for c in model.conditions if c.type in GOING_ON and c.status == "True"]
    yield from _section("under way", [f"{c.type}, {c.reason}{_since(c.since, now)}: {c.message}" for c in going_on])
    yield from _section("last asked", [_asked(entry) for entry in model.items("verbs")[-1:]])
    words = {
        "name": model.name,
        "wished": text(model.spec, "version"),
        "last_good": text(model.status, "lastGood", "VERSION"),
    }
    concerned = [*reasons, *(c for c in going_on if c.type == "Paused")]
    steps = list(dict.fromkeys(ADVICE[c.reason].format(**words) for c in concerned if c.reason in ADVICE))
    nothing = "wait: the operator goes on by itself" if going_on else "nothing to do"
    yield from _section("next", steps or [nothing])


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


def _fault(model: Seen, fault: Body, now: datetime) -> Iterator[str]:
    name, blame = text(fault, "name"), text(fault, "blame")
    nodes = printable(", ".join(map(str, fault.get("nodes", ()))))
    yield f"{name}{_since(text(fault, 'since'), now)} on {nodes}; {blame} is blamed: {BLAME.get(blame, '')}"
    for heal in model.items("heals"):
        if heal.get("fault") == name:
            yield f"  {text(heal, 'action')} {text(heal, 'verdict', 'is under proof')}; seen: {text(heal, 'evidence')}"


def _asked(entry: Body) -> str:
    return f"{text(entry, 'verb')} {text(entry, 'argument')}: {text(entry, 'result')}, {text(entry, 'message')}"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _since(since: str, now: datetime) -> str:
    length = age(since, now)
    return f" for {length}" if length else ""
