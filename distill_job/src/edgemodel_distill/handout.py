"""What the leader of several workers fetched, given to the others: they need no registry, and see the same bytes."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import safetensors.numpy
from pydantic import ValidationError

from edgemodel.bundle import Card
from edgemodel.distillation import Order
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import Crew
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import BadSettings, TeacherInvalid

LIBRARIES = ("torch", "numpy", "onnxruntime", "edgemodel-distill")
"""Those whose version changes a student's bytes."""


@dataclass(frozen=True, slots=True)
class Handout:
    """What every worker trains with."""

    teacher: Classifier
    labelled: Labelled
    edge: Floats
    samples: tuple[str, ...]
    """Digests of the artifacts with the edge's samples."""


def give(crew: Crew, handout: Handout, model: bytes, order: Order, recipe: Recipe) -> None:
    """Let the other workers have `handout`, of whose teacher `model` is the graph; they call `take`."""
    header = {"depends": _depends(order, recipe), "card": handout.teacher.card.dump(), "samples": handout.samples}
    labelled = handout.labelled
    arrays = {"inputs": labelled.inputs, "labels": labelled.labels, "edge": handout.edge}
    crew.hand_out(json.dumps(header).encode())
    crew.hand_out(model)
    crew.hand_out(safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def take(crew: Crew, order: Order, recipe: Recipe) -> Handout:
    """What the leader gives.

    Raises:
        BadSettings: this worker has another order, image or thread count, and would train something else.
    """
    header = json.loads(crew.hand_out())
    model, arrays = crew.hand_out(), safetensors.numpy.load(crew.hand_out())
    ours, theirs = json.loads(json.dumps(_depends(order, recipe))), header["depends"]
    differing = [name for name in theirs if ours.get(name) != theirs[name]]
    if differing:
        raise BadSettings(f"workers: want the same {', '.join(differing)} everywhere, and this one's differs")
    try:
        card = Card.model_validate_json(header["card"])
    except ValidationError as error:
        raise TeacherInvalid(f"the teacher's card: {error!s:.200}") from error
    teacher = Classifier(card, model, recipe.threads, TeacherInvalid)
    labelled = Labelled(arrays["inputs"], arrays["labels"])
    return Handout(teacher, labelled, arrays["edge"], tuple(header["samples"]))


def versions() -> dict[str, str]:
    """Of all libraries that a student's bytes depend on."""
    return {name: version(name) for name in LIBRARIES}


def _depends(order: Order, recipe: Recipe) -> dict[str, Any]:
    return {"order": order.dump(), "recipe": recipe.dump(), "libraries": versions()}
