"""What happened to one EdgeModel, oldest first, as its status has it. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from edgemodel_cli.seen import Body, Seen, printable, short, text

NAMED = 3
"""So many nodes that healed themselves are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that was done, asked or found: when, and how it ended; `until` is empty where it took no time."""

    at: str
    what: str
    detail: str
    result: str
    until: str = ""
    evidence: str = ""

    @property
    def took(self) -> str:
        """How long it took, as people write it; empty: no time, or not over."""
        try:
            seconds = (datetime.fromisoformat(self.until) - datetime.fromisoformat(self.at)).total_seconds()
        except ValueError:
            return ""
        return short(int(seconds)) if seconds >= 1 else ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def timeline(model: Seen) -> list[Happening]:
    """Heals with their verdicts, what people asked and decided, and versions that were proved, by time."""
    found = (
        *map(_heal, model.items("heals")),
        *map(_verb, model.items("verbs")),
        *(_approval(approval) for approval in model.items("approvals")),
        *_versions(model),
        *_distillation(model.part("distillation")),
    )
    return sorted(found, key=lambda happening: happening.at)


def _heal(heal: Body) -> Happening:
    switch = f": {text(heal, 'from', '–')} → {text(heal, 'to', '–')}" if heal.get("from") or heal.get("to") else ""
    nodes = [printable(str(name)) for name in heal.get("nodes", ())]
    more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
    own = f", by {', '.join(nodes[:NAMED])}{more}" if nodes else ""
    return Happening(
        at=text(heal, "at"),
        what=text(heal, "action"),
        detail=text(heal, "fault") + switch + own,
        result=text(heal, "verdict", "under proof"),
        until=text(heal, "verifiedAt"),
        evidence=text(heal, "evidence"),
    )


def _verb(verb: Body) -> Happening:
    return Happening(
        at=text(verb, "at"), what=text(verb, "verb"), detail=text(verb, "message"), result=text(verb, "result")
    )


def _approval(approval: Body) -> Happening:
    return Happening(
        at=text(approval, "since"),
        what="asked a person",
        detail=text(approval, "message"),
        result=text(approval, "decision", "waits"),
        until=text(approval, "decidedAt"),
    )


def _versions(model: Seen) -> Iterator[Happening]:
    for version in model.items("versions"):
        name = text(version, "name")
        if version.get("provedAt"):
            detail = f"{name} answered well everywhere"
            yield Happening(at=text(version, "provedAt"), what="proved", detail=detail, result="Good")
        if version.get("since") and version.get("state") in ("Quarantined", "Rejected"):
            detail = f"{name}: {text(version, 'reason')}"
            yield Happening(at=text(version, "since"), what="barred", detail=detail, result=text(version, "state"))


def _distillation(distillation: Body) -> Iterator[Happening]:
    if distillation.get("started"):
        name = text(distillation, "candidate") or text(distillation, "job")
        detail = f"{name}: {text(distillation, 'message') or text(distillation, 'reason', 'under way')}"
        yield Happening(
            at=text(distillation, "started"), what="distillation", detail=detail, result=text(distillation, "phase")
        )
