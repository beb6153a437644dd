"""`spec.cloud`: joint inference with a larger model."""

from typing import Annotated

from pydantic import Field

from edgemodel.cloud import CLOUD_PATTERN, Adaptive
from edgemodel.document import Document
from edgemodel_operator.api.references import CaBundle, CloudToken
from edgemodel_operator.api.types import DurationText


class Cloud(Document):
    """Whom nodes ask where their own model is unsure. Only they do: the operator asks no address of a user."""

    url: Annotated[str, Field(pattern=CLOUD_PATTERN, max_length=512)] = Field(
        description=(
            "A model with the same inputs and outputs, by the Open Inference Protocol: "
            "https://cloud.example/v2/models/digits; plain http for a Service of the cluster only."
        )
    )
    threshold: float = Field(
        default=0.7, gt=0, le=1, description="Top class probability below which an answer is unsure, for example 0.7."
    )
    adaptive: Adaptive | None = Field(
        default=None, description="A threshold that follows the model; absent: threshold stays as it is."
    )
    timeout: Annotated[float, DurationText(at_least=0.01, at_most=10, example="200ms")] = Field(
        default=0.2, description="Longest that a request waits for the cloud, all retries included, for example 200ms."
    )
    retries: int = Field(default=3, ge=0, le=10, description="Further tries after a broken connection or 5xx.")
    daily_budget: int = Field(
        default=10_000,
        ge=1,
        le=100_000_000,
        description="Requests that each node may send in 24 hours, retries included, for example 10000.",
    )
    token_secret: CloudToken | None = Field(
        default=None, description="Bearer token to show; mounted into the pods. Absent: none is shown."
    )
    ca_bundle: CaBundle | None = Field(
        default=None, description="Certificates to trust besides the public ones; mounted into the pods."
    )
