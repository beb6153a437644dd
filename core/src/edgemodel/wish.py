"""The wish: the document that tells every node of one EdgeModel what to serve and how to look after itself.

It travels as ``wish.json`` in a ConfigMap that all pods of the EdgeModel mount.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edgemodel.document import Digest, Document, Uri, describe
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType

FILE_NAME = "wish.json"
"""Key in the ConfigMap and file name in the mounted folder."""


class WishError(ValueError):
    """A wish that does not parse; the message names each field."""


class Artifact(Document):
    """One servable version."""

    name: Annotated[str, Field(min_length=1, max_length=52)]
    uri: Uri
    digest: Digest


class Assignment(Document):
    """What a node is to serve, and what it keeps resident to fall back to."""

    active: Artifact
    backup: Artifact | None = None


class LocalAction(Document):
    """One rung of a ladder; a node takes the local ones and stops at the first that is not."""

    type: ActionType
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Seconds to wait before the action."""


class LocalStrategy(Document):
    """What to do about which faults, in order."""

    faults: tuple[str, ...]
    actions: tuple[LocalAction, ...]


class Healing(Document):
    """The local ladder's settings; durations in seconds (see `edgemodel.ladder.Limits`)."""

    strategies: tuple[LocalStrategy, ...] = ()
    settle: float = 60.0
    min_samples: int = 30
    cooldown: float = 300.0
    max_per_hour: int = 4

    def strategy(self, fault: str) -> LocalStrategy | None:
        """The first strategy that names `fault`."""
        return next((s for s in self.strategies if fault in s.faults), None)


class Sampling(Document):
    """Keeping the inputs the model was least sure of, and where to push them."""

    keep_hardest: Annotated[int, Field(ge=1, le=10_000)] = 500
    sink: Uri


class Wish(Document):
    """What all nodes of one EdgeModel are to do. `revision` grows with every change."""

    schema_version: Literal[1] = 1
    revision: Annotated[int, Field(ge=1)]
    namespace: str
    model: str
    """Name of the EdgeModel, which is the model's name in the inference protocol."""
    default: Assignment | None = None
    exceptions: dict[str, Assignment] = Field(default={})
    """By node name: canaries and nodes that stay behind."""
    refused: tuple[Digest, ...] = ()
    """Quarantined digests: never to be served, whatever else is written here."""
    cleared: tuple[Digest, ...] = ()
    """Digests that a node may serve again although it refused them by itself."""
    interval: Annotated[float, Field(gt=0)] = 10.0
    """Seconds between two samples of every metric."""
    rules: tuple[Rule, ...] = ()
    healing: Healing = Healing()
    sampling: Sampling | None = None

    def for_node(self, node: str) -> Assignment | None:
        """What `node` is to serve."""
        return self.exceptions.get(node, self.default)


def parse(text: str | bytes) -> Wish:
    """Read a wish.

    Raises:
        WishError: names each field that is wrong.
    """
    try:
        return Wish.model_validate_json(text)
    except ValidationError as error:
        raise WishError(describe(error, "wish")) from error
