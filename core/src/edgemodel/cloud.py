"""Joint inference: what a node asks a larger model in the cloud, and what it spends on that."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from edgemodel.document import Document

CLOUD_PATTERN = (
    r"^(https://[-A-Za-z0-9.]+|http://(localhost|127[.][0-9.]+|[-a-z0-9.]+[.]svc([.]cluster[.]local)?))(:[0-9]{1,5})?"
    r"(/[-A-Za-z0-9._~]+)*/v2/models/[-A-Za-z0-9._~]+(/versions/[-A-Za-z0-9._~]+)?$"
)
"""A model of the Open Inference Protocol. Plain http only where nobody else can listen: on the node itself, and to a
Service of the cluster; inputs and the token would be read on the way to anywhere else."""


class Adaptive(Document):
    """A threshold that follows what the model is like, within 0.1 and 0.95."""

    window: int = Field(default=100, ge=10, le=10_000, description="Answers whose mean confidence counts: 100.")
    factor: float = Field(
        default=0.9, gt=0, le=1, description="An answer less confident than so much of the mean is unsure: 0.9."
    )


class Cloud(Document):
    """What a node does about answers that its own model is unsure of; durations in seconds."""

    url: Annotated[str, Field(pattern=CLOUD_PATTERN, max_length=512)]
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    """An answer with a row less confident than this is unsure."""
    adaptive: Adaptive | None = None
    """Takes the place of `threshold` once its window is full."""
    timeout: Annotated[float, Field(gt=0, le=10)] = 0.2
    """Longest that a request waits for the cloud, with all retries."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    daily_budget: Annotated[int, Field(ge=1, le=100_000_000)] = 10_000
    """Requests that this node may send in 24 hours, retries included."""
    token_file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """File with the bearer token to show."""
    ca_file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Certificates to trust besides the public ones."""


class CloudOutcome(StrEnum):
    """What became of an answer that the edge was unsure of."""

    ANSWERED = "answered"
    """The cloud's answer went out; in every other case the edge's did."""
    TIMEOUT = "timeout"
    """No answer within the time that a request may wait."""
    UNREACHABLE = "unreachable"
    """No connection, or one that broke."""
    SERVER_ERROR = "server_error"
    """5xx."""
    REFUSED = "refused"
    """3xx or 4xx: another model's address, inputs that it does not take, too many requests."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403, or there is no token to show."""
    MISFIT = "misfit"
    """An answer that is none, or not of the shapes and datatypes of the edge's."""
    BREAKER = "breaker_open"
    """Not asked: it failed again and again just now."""
    BUDGET = "budget_spent"
    """Not asked: as many requests as allowed were sent."""
    BUSY = "busy"
    """Not asked: too many others are being asked."""
