"""An incident report about one EdgeModel, for a ticket: what is wished, what serves, what happened and why. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgemodel_cli.comparison import compared
from edgemodel_cli.explain import Explanation, explain
from edgemodel_cli.seen import Body, Seen, printable, text
from edgemodel_cli.timeline import timeline

_SECRETS = (
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\b(token|password|passwd|secret|api[-_]?key)(\s*[=:]\s*)\S+", re.IGNORECASE), r"\1\2***"),
)
"""What may be a secret in a stranger's text: logins in addresses, authorization headers, and what is called so."""

_FRACTION = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+(?=Z|[+-]\d\d:\d\d)")
_TIMELINE = ("At", "What", "Detail", "Evidence", "Result", "Took")
_VERSIONS = ("Version", "State", "Origin", "Since", "Proved at", "Digest", "Address", "Scores")
_RULES = ("Rule", "Condition", "Window", "Hits", "Severity", "Actions")


@dataclass(frozen=True, slots=True)
class Table:
    """One section: its name for programs, its heading, and its rows of texts."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a reader of the ticket asks for. No text in it is a secret, nor a terminal's command."""

    title: str
    made: str
    state: tuple[str, ...]
    next: tuple[str, ...]
    tables: tuple[Table, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs: each section a list of objects."""
        sections = {t.key: [dict(zip(map(_key, t.columns), row, strict=True)) for row in t.rows] for t in self.tables}
        return {"edgemodel": self.title, "made": self.made, "state": self.state, "next": self.next} | sections


def write_report(model: Seen, events: Iterable[Body], now: datetime) -> Report:
    """The report as of `now`; `events` are those about the EdgeModel, as core/v1 has them."""
    explanation = explain(model)
    return Report(
        title=f"{model.namespace}/{model.name}",
        made=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        state=tuple(map(redacted, explanation.state)),
        next=tuple(map(redacted, explanation.next)),
        tables=tuple(_tables(model, explanation, events)),
    )


def redacted(line: str) -> str:
    """A stranger's text on one line, without what may be a secret."""
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return printable(line)


def _cell(line: str) -> str:
    """Moments to the second; the rest as `redacted`."""
    return _FRACTION.sub("", redacted(line))


def _tables(model: Seen, explanation: Explanation, events: Iterable[Body]) -> Iterator[Table]:
    yield _table("summary", "What is wished, and what serves", ("Field", "Value"), _summary(model))
    why = [
        (w.type, w.status, w.reason, w.since, w.message, w.check, w.evidence)
        for w in (*explanation.why, *explanation.under_way)
    ]
    yield _table("why", "Why it is so", ("Condition", "Status", "Reason", "Since", "Message", "Check", "Evidence"), why)
    faults = [(f.name, f.since, f.nodes, f.blame, f.because) for f in explanation.faults]
    yield _table("faults", "Active faults", ("Fault", "Since", "Nodes", "Blame", "Because"), faults)
    happened = [(h.at, h.what, h.detail, h.evidence, h.result, h.took) for h in timeline(model)]
    yield _table("timeline", "Timeline", _TIMELINE, happened)
    yield _table("versions", "Versions", _VERSIONS, map(_version, model.items("versions")))
    yield _table("rollout", "Rollout", ("Field", "Value"), _rollout(model.part("rollout")))
    yield _table("distillation", "Distillation", ("Field", "Value"), _distillation(model))
    differing = [(text(n, "name"), text(n, "version", "nothing"), text(n, "reason")) for n in _exceptions(model)]
    yield _table("exceptions", "Nodes that differ", ("Node", "Serves", "Reason"), differing)
    yield _table("rules", "Rules and what is done", _RULES, _rules(model))
    healing = [(_words(k), text(_part(model.spec, "healing"), k)) for k in _plain(_part(model.spec, "healing"))]
    yield _table("healing", "Limits of healing", ("Field", "Value"), healing)
    yield _table("events", "Events", ("At", "Type", "Reason", "Message", "Count"), sorted(map(_event, events)))


def _table(key: str, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    return Table(key, title, columns, tuple(tuple(map(_cell, row)) for row in rows))


def _summary(model: Seen) -> Iterator[tuple[str, str]]:
    spec, status, nodes = model.spec, model.status, model.part("nodes")
    yield "wished", text(spec, "version")
    yield "backup", text(spec, "backup", "the last version that was proved good")
    yield "serves", text(status, "version", "nothing")
    yield "digest", text(status, "digest", "–")
    yield "last good", text(status, "lastGood", "–")
    counts = ", ".join(f"{text(nodes, field, '0')} {field}" for field in ("desired", "ready", "updated", "unknown"))
    yield "nodes", counts
    generation = model.body["metadata"].get("generation", "–")
    yield "generation", f"{generation}, acted on: {text(status, 'observedGeneration', 'none')}"
    yield "wish revision", text(status, "wishRevision", "–")


def _version(version: Body) -> tuple[str, ...]:
    state = text(version, "state") + (f" ({text(version, 'reason')})" if version.get("reason") else "")
    fields = (text(version, field) for field in ("origin", "since", "provedAt", "digest", "uri"))
    return (text(version, "name"), state, *fields, scores(_part(version, "scores")))


def _rollout(rollout: Body) -> Iterator[tuple[str, str]]:
    if not rollout:
        return
    yield "to", text(rollout, "to")
    yield "step", str(int(rollout.get("step", 0)) + 1)
    yield "since", text(rollout, "since")
    yield "waits for", text(rollout, "reason", "its nodes")
    yield "nodes", ", ".join(map(str, rollout.get("nodes", ())))
    yield from compared(_part(rollout, "comparison"))


def _distillation(model: Seen) -> Iterator[tuple[str, str]]:
    distillation, wanted = model.part("distillation"), _part(model.spec, "distillation")
    for field in (
        "candidate",
        "phase",
        "job",
        "attempt",
        "started",
        "percent",
        "epoch",
        "samples",
        "reason",
        "message",
    ):
        if field in distillation:
            yield field, text(distillation, field)
    if distillation.get("scores"):
        yield "scores", scores(_part(distillation, "scores"))
    if wanted:
        yield "gates", scores(_part(wanted, "gates")) or "the defaults"


def _rules(model: Seen) -> Iterator[tuple[str, ...]]:
    strategies = _part(model.spec, "healing").get("strategies") or ()
    for rule in _part(model.spec, "health").get("rules") or ():
        name, statistic = text(rule, "name"), text(rule, "statistic", "latest")
        what = text(rule, "metric") if statistic == "latest" else f"{statistic} of {text(rule, 'metric')}"
        found: Body = next((s for s in strategies if name in s.get("faults", ())), {})
        actions = " → ".join(text(action, "type") for action in found.get("actions", ())) or "none"
        numbers = (text(rule, "window"), text(rule, "triggerCount"), text(rule, "severity"))
        yield (name, f"{what} {text(rule, 'operator')} {text(rule, 'threshold')}", *numbers, actions)


def _event(event: Body) -> tuple[str, ...]:
    at = text(event, "eventTime") or text(event, "lastTimestamp") or text(event, "firstTimestamp")
    count = str(_part(event, "series").get("count") or event.get("count") or 1)
    return at, text(event, "type"), text(event, "reason"), text(event, "message"), count


def scores(found: Mapping[str, Any]) -> str:
    """``accuracy 0.97, size 12034``."""
    return ", ".join(
        f"{_words(name)} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in found.items()
    )


def _exceptions(model: Seen) -> Iterable[Body]:
    found: Iterable[Body] = model.part("nodes").get("exceptions") or ()
    return found


def _part(body: Body, field: str) -> Body:
    found: Body = body.get(field) or {}
    return found


def _plain(body: Body) -> list[str]:
    return [field for field, value in body.items() if isinstance(value, str | int | float)]


def _words(name: str) -> str:
    """``minSamples`` as ``min samples``."""
    return re.sub(r"([A-Z])", lambda match: f" {match.group(1).lower()}", name)


def _key(column: str) -> str:
    first, *rest = column.lower().split()
    return first + "".join(word.capitalize() for word in rest)
