"""What is to be done: data, performed by cluster/apply in this order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from edgemodel_operator.api.status import Status

Object = dict[str, Any]
"""A Kubernetes object as plain data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One transition worth telling."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write the whole status (the memory) before anything that follows from it."""

    status: Status


@dataclass(frozen=True, slots=True)
class Ensure:
    """Create or update a child by server-side apply."""

    object: Object


@dataclass(frozen=True, slots=True)
class Create:
    """Create a child that must not be there twice; one that is there already is as good."""

    object: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a child; one that is gone is as good."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Nudge:
    """Annotate a pod with the wish's revision, so that its kubelet refreshes the volume at once."""

    pod: str
    revision: int
    again: int = 0
    """How often it was nudged for this revision before."""


Action = WriteStatus | Ensure | Create | Delete | Nudge


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Actions in order, the events to tell, and when to look again (None: at the next event)."""

    actions: tuple[Action, ...]
    events: tuple[Event, ...]
    wake: datetime | None
