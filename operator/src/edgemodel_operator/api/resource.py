"""An EdgeModel as the operator sees it: parsed once, at the edge, and frozen."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from edgemodel.document import Document, describe
from edgemodel_operator.api import checks
from edgemodel_operator.api.spec import Spec
from edgemodel_operator.api.status import Status
from edgemodel_operator.api.types import Time
from edgemodel_operator.errors import ApiError

GROUP, VERSION, KIND, PLURAL = "edgemodel.dev", "v1alpha1", "EdgeModel", "edgemodels"
API_VERSION = f"{GROUP}/{VERSION}"

NAME_LIMIT = 52
"""Longest name of an EdgeModel, so that names of children fit in 63 characters."""

_D = TypeVar("_D", bound=Document)


class Metadata(Document):
    """What of an object's metadata the operator looks at."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
    namespace: Annotated[str, Field(min_length=1)]
    uid: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    annotations: dict[str, str] = Field(default={})


class EdgeModel(Metadata):
    """One EdgeModel: identity, wish, and what the operator wrote about it so far."""

    spec: Spec
    status: Status = Status()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        """Whether its deletion was asked for."""
        return self.deletion_timestamp is not None


def parse(body: Mapping[str, Any]) -> EdgeModel:
    """Read an EdgeModel as the API server returns it.

    Raises:
        ApiError: names each field that is wrong, one line each: ``spec.health.rules[2].threshold: …``.
    """
    lines: list[str] = []
    metadata = _read(Metadata, body.get("metadata", {}), "metadata", lines)
    spec = _read(Spec, body.get("spec", {}), "spec", lines)
    status = _read(Status, body.get("status") or {}, "status", lines)
    if spec is not None:
        lines += checks.problems(spec)
    if metadata is None or spec is None or status is None or lines:
        raise ApiError("\n".join(lines))
    return EdgeModel(**dict(metadata), spec=spec, status=status)


def _read(document: type[_D], value: object, where: str, lines: list[str]) -> _D | None:
    try:
        return document.model_validate(value)
    except ValidationError as error:
        lines.append(describe(error, where))
        return None
