"""The wish: the document that tells every node of one EdgeModel what to serve and how to look after itself.

It travels as ``wish.json`` in a ConfigMap that all pods of the EdgeModel mount.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from edgemodel.cloud import Cloud
from edgemodel.document import Digest, Document, Uri, describe
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.signature import TrustedKeys

FILE_NAME = "wish.json"
"""Key in the ConfigMap and file name in the mounted folder."""

NAME_LIMIT = 52
"""Characters of a version's name."""


class WishError(ValueError):
    """A wish that does not parse; the message names each field."""


class Artifact(Document):
    """One servable version."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
    uri: Uri
    digest: Digest


class Assignment(Document):
    """What a node is to serve, and what it keeps resident to fall back to."""

    active: Artifact
    backup: Artifact | None = None


WEBHOOK_PATTERN = r"^https?://[-A-Za-z0-9.]+(:[0-9]{1,5})?([/?][-A-Za-z0-9._~/?&=%+,:;@!*()]*)?$"
"""http or https, a host and maybe a port, a path; no login, no fragment, nothing that CEL would want escaped."""


class Webhook(Document):
    """A program of the user's, asked over HTTP; see `edgemodel_inference.healing.webhook` for what is sent."""

    url: Annotated[str, Field(pattern=WEBHOOK_PATTERN, max_length=512)]
    key_file: Annotated[str, Field(min_length=1, max_length=1024)]
    """File with the key that the body is signed with."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds for one try."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2


class LocalAction(Document):
    """One rung of a ladder; a node takes the local ones and stops at the first that is not."""

    type: ActionType
    delay: Annotated[float, Field(ge=0)] = 0.0
    """Seconds to wait before the action."""
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _webhook_fits_type(self) -> Self:
        if (self.type is ActionType.WEBHOOK) != (self.webhook is not None):
            raise ValueError("want webhook with url and keyFile with type Webhook, and with no other")
        return self


class Held(StrEnum):
    """What nodes are not to do now, because of how the whole fleet is."""

    NOTHING = "Nothing"
    NODE_ACTIONS = "NodeActions"
    """What may interrupt a node: too few others serve."""
    EVERYTHING = "Everything"
    """Every action: too many were taken in the fleet."""


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
    turns: Annotated[int, Field(ge=1, le=10_000)] = 1
    """In how many turns nodes do what may interrupt them (see `edgemodel.turns`)."""
    held: Held = Held.NOTHING
    """What nodes are not to do now."""

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
    cleared_in: dict[Digest, Annotated[int, Field(ge=1)]] = Field(default={})
    """By digest in `cleared`: the revision in which it was; a higher one clears what was refused since."""
    interval: Annotated[float, Field(gt=0)] = 10.0
    """Seconds between two samples of every metric."""
    rules: tuple[Rule, ...] = ()
    healing: Healing = Healing()
    sampling: Sampling | None = None
    trusted_keys: TrustedKeys | None = None
    """What is taken into service must be signed by one of them; None: nobody needs to sign."""
    cloud: Cloud | None = None
    """Joint inference; None: off."""

    @property
    def clearings(self) -> dict[str, int]:
        """Every cleared digest, with a number that grows when it is cleared again."""
        return {digest: self.cleared_in.get(digest, 1) for digest in self.cleared}

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
