"""What `/predict` and its neighbours take and answer."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from edgemodel.bundle import Card


class One(BaseModel):
    """What `/predict` takes as JSON."""

    input: Annotated[list[Any], Field(description="One input, nested as its shape says, or flat.")]


class Several(BaseModel):
    """What `/batch_predict` takes."""

    inputs: Annotated[list[Any], Field(min_length=1, description="Inputs, each as for /predict.")]


class Guess(BaseModel):
    """A class and its probability."""

    label: str
    confidence: float


class Prediction(Guess):
    """The most likely class, and the runners-up."""

    top: list[Guess]


class Origin(BaseModel):
    """Which model said so, where, and how long it took."""

    model: str
    version: str
    digest: str
    source: str
    latency_ms: float


class Answer(Prediction, Origin):
    """The answer of `/predict`."""


class Answers(Origin):
    """The answer of `/batch_predict`, in the order of its inputs."""

    predictions: list[Prediction]


class Health(BaseModel):
    """What serves now."""

    status: str
    model: str
    version: str | None
    digest: str | None


class ModelCard(BaseModel):
    """What the model is: its bundle's card."""

    model: str
    version: str
    digest: str
    pictures: bool
    card: Card
