"""An EdgeModel as the API server shows it, read with patience: any field may be missing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgemodel.verbs import Asked

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition."""

    type: str
    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One EdgeModel; its texts come from strangers."""

    body: Body

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def created(self) -> str:
        """When it was made."""
        return str(self.body["metadata"].get("creationTimestamp", ""))

    @property
    def spec(self) -> Body:
        """What is wished."""
        found: Body = self.body.get("spec") or {}
        return found

    @property
    def status(self) -> Body:
        """What the operator says."""
        found: Body = self.body.get("status") or {}
        return found

    @property
    def conditions(self) -> list[Condition]:
        """All conditions, in the operator's order."""
        return [
            Condition(
                text(entry, "type"),
                text(entry, "status"),
                text(entry, "reason"),
                text(entry, "message"),
                text(entry, "lastTransitionTime"),
            )
            for entry in self.items("conditions")
        ]

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    @property
    def ready(self) -> bool:
        """Whether the operator says that every wanted node answers."""
        found = self.condition("Ready")
        return found is not None and found.status == "True"

    @property
    def paused(self) -> bool:
        """Whether the operator says that it decides nothing."""
        return self.condition("Paused") is not None

    @property
    def waiting(self) -> list[Body]:
        """What waits for a person's word."""
        return [approval for approval in self.items("approvals") if "decision" not in approval]

    def items(self, field: str) -> list[Body]:
        """A list of the status."""
        return list(self.status.get(field) or ())

    def part(self, field: str) -> Body:
        """An object of the status; empty where it is absent."""
        found: Body = self.status.get(field) or {}
        return found

    def answer(self, wanted: Asked) -> tuple[bool, str] | None:
        """Whether what was asked is done, and the operator's words; None: no answer yet."""
        for entry in reversed(self.items("verbs")):
            if (entry.get("verb"), text(entry, "argument"), text(entry, "token")) == (
                wanted.verb.value,
                wanted.argument,
                wanted.token,
            ):
                return entry.get("result") == "Done", text(entry, "message")
        return None


def text(body: Body, field: str, default: str = "") -> str:
    """A field as text without what would move the cursor or set the terminal's title."""
    value = body.get(field)
    return default if value is None else printable(str(value))


def printable(line: str) -> str:
    """A stranger's text on one line, fit for a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line.replace("\n", " "))


def age(since: str, now: datetime) -> str:
    """``5m``, as kubectl has it: how long ago `since` (RFC 3339) was; empty where it is no moment."""
    try:
        seconds = max(int((now - datetime.fromisoformat(since)).total_seconds()), 0)
    except (ValueError, TypeError):
        return ""
    return short(seconds)


def short(seconds: int) -> str:
    """``5m``: a length of time, as kubectl has it."""
    for unit, length, most in (("s", 1, 120), ("m", 60, 120), ("h", 3600, 48)):
        if seconds < length * most:
            return f"{seconds // length}{unit}"
    return f"{seconds // 86400}d"
