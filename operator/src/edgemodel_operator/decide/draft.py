"""The status in the making: each step of a decision takes a draft and returns the next one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import HEALS_KEPT, NODE_HEALS_KEPT, HealRecord, Status, VersionStatus
from edgemodel_operator.model.plan import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A status so far, the events on the way to it, and the moments at which to look again."""

    status: Status
    events: tuple[Event, ...] = ()
    wakes: tuple[datetime, ...] = ()

    def set(self, **changes: Any) -> "Draft":
        """With fields of the status replaced."""
        return replace(self, status=self.status.model_copy(update=changes))

    def tell(self, type_: Literal["Normal", "Warning"], reason: EventReason, message: str) -> "Draft":
        """With one more event."""
        return replace(self, events=(*self.events, Event(type=type_, reason=reason.value, message=message)))

    def wake_at(self, moment: datetime) -> "Draft":
        """With one more moment to look again."""
        return replace(self, wakes=(*self.wakes, moment))

    def version(self, name: str | None) -> VersionStatus | None:
        """The version called `name`."""
        return None if name is None else self.status.find_version(name)

    def change_version(self, name: str, /, **changes: Any) -> "Draft":
        """With fields of one version replaced."""
        return self._change(lambda version: version.name == name, changes)

    def mark(self, name: str, state: VersionState, now: datetime, reason: str | None = None) -> "Draft":
        """With one version in another state; nothing changes where it is in that state already."""
        moves = _is_elsewhere(state, reason)
        return self._change(lambda v: v.name == name and moves(v), {"state": state, "reason": reason, "since": now})

    def names_of(self, digest: str) -> tuple[VersionStatus, ...]:
        """The artifact with this digest as every version that it is: it may have several names."""
        return tuple(version for version in self.status.versions if version.digest == digest)

    def change_artifact(self, digest: str, /, **changes: Any) -> "Draft":
        """With fields of an artifact replaced under all of its names."""
        return self._change(lambda version: version.digest == digest, changes)

    def mark_artifact(self, digest: str, state: VersionState, now: datetime, reason: str | None = None) -> "Draft":
        """With an artifact in another state under all of its names; those that are in it already stay as they are."""
        moves = _is_elsewhere(state, reason)
        return self._change(lambda v: v.digest == digest and moves(v), {"state": state, "reason": reason, "since": now})

    def add_heal(self, heal: HealRecord, stands: Callable[[HealRecord], bool] = lambda _: False) -> "Draft":
        """With one more heal. Where there are enough, the oldest that does not stand makes room.

        The operator's own make room for its own only, and those of nodes for those of nodes.
        """
        kin = [known for known in self.status.heals if bool(known.nodes) is bool(heal.nodes)]
        full = len(kin) >= (NODE_HEALS_KEPT if heal.nodes else HEALS_KEPT)
        out = next((known for known in kin if not stands(known)), kin[0]) if full else None
        return self.set(heals=(*(known for known in self.status.heals if known is not out), heal))

    def change_heal(self, old: HealRecord, **changes: Any) -> "Draft":
        """With fields of one heal replaced."""
        heals = tuple(h.model_copy(update=changes) if h is old else h for h in self.status.heals)
        return self.set(heals=heals)

    def _change(self, concerned: Callable[[VersionStatus], bool], changes: Mapping[str, Any]) -> "Draft":
        versions = self.status.versions
        return self.set(versions=tuple(v.model_copy(update=changes) if concerned(v) else v for v in versions))


def _is_elsewhere(state: VersionState, reason: str | None) -> Callable[[VersionStatus], bool]:
    return lambda version: (version.state, version.reason) != (state, reason)
