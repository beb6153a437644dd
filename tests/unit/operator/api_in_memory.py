"""An API server in memory, behind the operator's own client: objects, conflicts, owner references, and mishaps."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from edgemodel_operator.cluster.client import Cluster
from edgemodel_operator.errors import Conflict, Invalid, Unavailable
from edgemodel_operator.model.plan import Event
from edgemodel_operator.render.children import covers

Body = dict[str, Any]
Place = tuple[str, str]
"""Kind and name: there is one namespace."""


class Mishap(Enum):
    """What may become of a write."""

    CONFLICT = auto()
    """Refused with 409, though nothing has changed."""
    REFUSED = auto()
    """Refused with 503: nothing was done."""
    LOST = auto()
    """Done, but the answer never came."""
    KILL_BEFORE = auto()
    """The operator dies before it is sent."""
    KILL_AFTER = auto()
    """The operator dies when it is done, before the answer comes."""


class KilledError(BaseException):
    """The operator's process is gone: nothing in it may catch this."""


@dataclass
class ApiInMemory(Cluster):
    """Everything that is stored; the operator's writes are numbered from 0."""

    objects: dict[Place, Body] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    takes_events: bool = True
    """Else they alone are answered with 503."""
    order: list[str] = field(default_factory=list)
    """Kinds of what was written by anybody, one by one."""
    mishaps: dict[int, Mishap] = field(default_factory=dict)
    """By number of the operator's write."""
    away: bool = False
    """Every request is answered with 503."""
    calls: int = 0
    """Writes that the operator has asked for."""
    reads: int = 0
    """Objects that it has asked for."""
    revision: int = 1
    """Rises with each change of anything."""
    notify: Callable[[Place], object] = lambda _: None
    """Called after each change."""
    _uids: int = 0

    # What the operator does

    async def apply(self, body: Body) -> Body:
        """See `Cluster.apply`."""
        place = (body["kind"], body["metadata"]["name"])
        return self._written(lambda: self._merge(place, body))

    async def read(self, kind: str, namespace: str, name: str) -> Body | None:
        """See `Cluster.read`."""
        self.reads += 1
        if self.away:
            raise Unavailable("503")
        return copy.deepcopy(self.objects.get((kind, name)))

    async def create(self, body: Body) -> Body:
        """See `Cluster.create`."""
        return self._written(lambda: self._create(body))

    async def annotate(self, kind: str, namespace: str, name: str, annotations: Mapping[str, str]) -> Body:
        """See `Cluster.annotate`."""
        return self._written(lambda: self._annotate((kind, name), annotations))

    async def own(self, kind: str, namespace: str, name: str, version: str, owners: list[Body]) -> None:
        """See `Cluster.own`."""
        self._written(lambda: self._own((kind, name), version, owners))

    async def write_status(self, namespace: str, name: str, version: str, status: Body) -> Body:
        """See `Cluster.write_status`."""
        return self._written(lambda: self._replace_status(("EdgeModel", name), version, status))

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """See `Cluster.delete`."""
        self._written(lambda: self.remove((kind, name)))

    # What everybody else does

    def put(self, place: Place, body: Body) -> None:
        """Store `body`, unless it is there already."""
        known = self.objects.get(place)
        if known is not None and _essence(known) == _essence(body):
            return
        if known is None:
            self._uids += 1
        uid = body["metadata"].get("uid") or f"uid-{self._uids}"
        self.revision += 1
        metadata = {**body["metadata"], "uid": uid, "resourceVersion": str(self.revision)}
        self.objects[place] = {**body, "metadata": metadata}
        self.order.append(place[0])
        self.notify(place)

    def remove(self, place: Place) -> None:
        """Delete an object and what it owns; one that is gone is as good."""
        body = self.objects.pop(place, None)
        if body is None:
            return
        self.revision += 1
        self.notify(place)
        uid = body["metadata"]["uid"]
        for other, owned in list(self.objects.items()):
            if any(owner["uid"] == uid for owner in owned["metadata"].get("ownerReferences", [])):
                self.remove(other)

    # How it works

    def _written(self, do: Callable[[], Body | None]) -> Any:
        number, self.calls = self.calls, self.calls + 1
        mishap = Mishap.REFUSED if self.away else self.mishaps.get(number)
        match mishap:
            case Mishap.KILL_BEFORE:
                raise KilledError
            case Mishap.REFUSED:
                raise Unavailable("503")
            case Mishap.CONFLICT:
                raise Conflict("409")
        done = copy.deepcopy(do())
        match mishap:
            case Mishap.LOST:
                raise Unavailable("no answer")
            case Mishap.KILL_AFTER:
                raise KilledError
        return done

    def _merge(self, place: Place, body: Body) -> Body:
        uid = body["metadata"].get("uid")
        if uid is not None and (place not in self.objects or self.objects[place]["metadata"]["uid"] != uid):
            raise Conflict(f"{place} is another one")
        if place not in self.objects or not covers(self.objects[place], body):
            known = self.objects.get(place, {"metadata": {}})
            identity = {key: known["metadata"][key] for key in ("uid",) if key in known["metadata"]}
            wire = json.loads(json.dumps(body))
            self.put(place, {**wire, "metadata": {**wire["metadata"], **identity}})
        return self.objects[place]

    def _create(self, body: Body) -> Body:
        if body["kind"] == "Event":
            if not self.takes_events:
                raise Unavailable("503")
            self.order.append("Event")
            self.events.append(Event(type=body["type"], reason=body["reason"], message=body["note"]))
            return body
        place = (body["kind"], body["metadata"]["name"])
        if place in self.objects:
            raise Conflict(f"{place} is there already")
        self.put(place, json.loads(json.dumps(body)))
        return self.objects[place]

    def _annotate(self, place: Place, annotations: Mapping[str, str]) -> Body:
        if place not in self.objects:
            raise Invalid(f"{place} is gone")
        body = copy.deepcopy(self.objects[place])
        body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), **annotations}
        self.put(place, body)
        return self.objects[place]

    def _own(self, place: Place, version: str, owners: list[Body]) -> Body:
        body = self.objects[place]
        if body["metadata"]["resourceVersion"] != version:
            raise Conflict(f"{place} has changed")
        self.put(place, {**body, "metadata": {**body["metadata"], "ownerReferences": owners}})
        return self.objects[place]

    def _replace_status(self, place: Place, version: str, status: Body) -> Body:
        if place not in self.objects or self.objects[place]["metadata"]["resourceVersion"] != version:
            raise Conflict(f"{place} has changed")
        self.put(place, {**self.objects[place], "status": json.loads(json.dumps(status))})
        return self.objects[place]


def _essence(body: Body) -> Body:
    metadata = {key: value for key, value in body["metadata"].items() if key not in ("uid", "resourceVersion")}
    return {**body, "metadata": metadata}
