"""What the operator's watches show it of the API server, late where a test says so."""

from typing import Any

from edgemodel_operator.cluster.trim import keep
from edgemodel_operator.cluster.world import World as Indexes
from edgemodel_operator.model.naming import LABEL_MODEL, Key
from tests.unit.operator.api_in_memory import ApiInMemory, Body, Place
from tests.unit.operator.plant import KEY

KINDS = ("EdgeModel", "ConfigMap", "Service", "DaemonSet", "Deployment", "Job", "Pod", "Node")


class Watches:
    """Feeds one operator's indexes; changes come in order, each `lag` deliveries after it was made."""

    def __init__(self, api: ApiInMemory, indexes: Indexes) -> None:
        """List everything, as an operator does that just started."""
        self.lag = 0
        self._indexes = indexes
        self._api = api
        self._late: list[tuple[int, Place]] = []
        self._found: dict[str, dict[Any, list[Body | bytes]]] = {kind: {} for kind in KINDS}
        self._seen: dict[Place, tuple[Any, Body | bytes]] = {}
        for place in api.objects:
            self._see(place)
        indexes.bind(self._found)

    @property
    def behind(self) -> bool:
        """Whether something is yet to be shown, or will be late."""
        return bool(self.lag or self._late)

    def changed(self, place: Place) -> None:
        """Something was written; it shows after `lag` more steps."""
        self._late.append((self.lag, place))

    def age(self) -> None:
        """A step goes by."""
        self._late = [(left - 1, place) for left, place in self._late]

    def deliver(self) -> bool:
        """Show what is due; whether there was anything."""
        due = {place: None for left, place in self._late if left <= 0}
        self._late = [(left, place) for left, place in self._late if left > 0]
        for place in due:
            self._see(place)
        return bool(due)

    def _see(self, place: Place) -> None:
        kind, name = place
        body = self._api.objects.get(place)
        if body is not None and (kind in ("EdgeModel", "Node") or LABEL_MODEL in body["metadata"].get("labels", {})):
            self._seen[place] = _key(kind, body), keep(kind, body)
        elif self._seen.pop(place, None) is not None:
            self._indexes.deleted(KEY, kind, name)
        found = self._found[kind]
        found.clear()
        for (other, _), (key, kept) in self._seen.items():
            if other == kind:
                found.setdefault(key, []).append(kept)


def _key(kind: str, body: Body) -> Any:
    if kind == "Node":
        return body["metadata"]["name"]
    labels = body["metadata"].get("labels", {})
    return Key(KEY.namespace, labels.get(LABEL_MODEL, KEY.name))
