"""What a user asks for: `EdgeModel.spec`. Defaults here are the defaults in the CRD.

Rules that need more than one field are in `checks` (for Python) and `validations` (for the API server).
"""

from typing import Annotated

from pydantic import Field

from edgemodel.document import Document
from edgemodel_operator.api.cloud import Cloud
from edgemodel_operator.api.delivery import Distillation, Rollout
from edgemodel_operator.api.healing import Healing, Health
from edgemodel_operator.api.serving import Placement, Registry, Serving, Version
from edgemodel_operator.api.types import KEYED_BY_NAME, VersionName


class Spec(Document):
    """The whole wish."""

    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=20)] = Field(
        description="What may serve, by name.", json_schema_extra=KEYED_BY_NAME
    )
    registry: Registry = Field(default=Registry(), description="Logins and certificates for private registries.")
    version: VersionName = Field(description="Name of the version that is to serve.")
    backup: VersionName | None = Field(
        default=None, description="Name of the version a rollback goes to; absent: the last one proved good."
    )
    placement: Placement = Field(default=Placement(), description="Where the model serves.")
    serving: Serving = Field(default=Serving(), description="How a node serves.")
    health: Health = Field(default=Health(), description="What counts as a fault.")
    healing: Healing = Field(default=Healing(), description="What may be done about faults.")
    distillation: Distillation | None = Field(
        default=None, description="How a successor is trained; absent: never by itself."
    )
    rollout: Rollout = Field(default=Rollout(), description="How another version reaches the nodes.")
    cloud: Cloud | None = Field(
        default=None, description="Whom nodes ask where their own model is unsure (joint inference); absent: nobody."
    )

    def find_version(self, name: str) -> Version | None:
        """The version called `name`."""
        return next((version for version in self.versions if version.name == name), None)
