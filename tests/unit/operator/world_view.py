"""What there is to see in a `World`: what the API server has, and what nodes serve."""

from edgemodel import wish as wish_document
from edgemodel.wish import Wish
from edgemodel_operator.api import resource
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Event
from tests.unit.operator.api_in_memory import ApiInMemory, Body, Place
from tests.unit.operator.edge import Edge
from tests.unit.operator.plant import KEY
from tests.unit.operator.simulated_operator import SimulatedOperator

MODEL: Place = ("EdgeModel", KEY.name)


class View:
    """Questions only; nothing here changes anything."""

    api: ApiInMemory
    edges: dict[str, Edge]
    operator: SimulatedOperator
    down: int
    _parsed: tuple[int, EdgeModel] | None = None

    @property
    def objects(self) -> dict[Place, Body]:
        """What is stored, by kind and name."""
        return self.api.objects

    @property
    def model(self) -> Body:
        """The EdgeModel as it is stored."""
        return self.api.objects[MODEL]

    @property
    def writes(self) -> int:
        """Rises with each change of anything that is stored."""
        return self.api.revision

    @property
    def events(self) -> list[Event]:
        """What was told."""
        return self.api.events

    @property
    def status(self) -> Status:
        """The status as the API server has it."""
        return self.parsed.status

    @property
    def parsed(self) -> EdgeModel:
        """The EdgeModel as the API server has it."""
        if self._parsed is None or self._parsed[0] != self.writes:
            self._parsed = (self.writes, resource.parse(self.model))
        return self._parsed[1]

    @property
    def wish(self) -> Wish | None:
        """The wish as nodes read it."""
        body = self.objects.get(("ConfigMap", naming.wish_config_map(KEY.name)))
        return None if body is None else wish_document.parse(body["data"][wish_document.FILE_NAME])

    @property
    def live_jobs(self) -> list[str]:
        """Names of Jobs that have not ended."""
        return [name for (kind, name), body in self.objects.items() if kind == "Job" and "status" not in body]

    @property
    def children(self) -> list[Place]:
        """What the operator has made."""
        return [place for place, body in self.objects.items() if body["metadata"].get("ownerReferences")]

    @property
    def jobs(self) -> list[str]:
        """Names of all Jobs."""
        return [name for kind, name in self.objects if kind == "Job"]

    def serving(self) -> set[str]:
        """Names of the versions that answer now, on all nodes together."""
        return {edge.active.name if edge.active else "" for edge in self.edges.values()}

    def state(self, version: str) -> VersionState:
        """What became of a version."""
        found = self.status.find_version(version)
        assert found is not None, f"{version} is not known"
        return found.state

    def told(self, reason: str) -> list[str]:
        """Messages of the events with this reason."""
        return [event.message for event in self.events if event.reason == reason]

    def condition(self, type_: str) -> tuple[str, str]:
        """Status and reason of a condition; empty where it is not shown."""
        found = self.status.condition(type_)
        return ("", "") if found is None else (found.status, found.reason)

    @property
    def calm(self) -> bool:
        """Whether nothing keeps the operator from seeing and writing."""
        return not (self.api.away or self.down or self.operator.watches.behind or self._mishap_ahead)

    @property
    def _mishap_ahead(self) -> bool:
        return any(number >= self.api.calls for number in self.api.mishaps)

    def observe(self) -> Observation:
        """What the operator knows at this moment."""
        found = self.operator.observe()
        assert found is not None, "the operator sees no EdgeModel"
        return found
