"""What one of several workers does in the tests, as a process of its own: `python -m … FOLDER`, placed by RANK and all.

Trains the same students as `student`, one of real digits, one that takes more memory than the last worker has, and one
that diverges; leaves weights and what it was told in FOLDER.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from torch import nn

from edgemodel_distill import measure, meeting, students, zoo
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Post, Recipe
from edgemodel_distill.crew import ALONE, Crew
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import DistillError, NanLoss, TeacherInvalid
from edgemodel_distill.handout import Handout
from edgemodel_distill.teach import Lesson, teach
from edgemodel_distill.train import EpochLosses, predict, seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry.folder import read_card
from lab import digits
from tests.unit.distill_job.test_distill_resume import METHODS, RECIPE, material
from tests.unit.distill_job.tiny_world import Quiet, World

DIGITS = replace(RECIPE, architecture="tiny-cnn", width=8, epochs=8, batch_size=64)
PLAIN = replace(RECIPE, architecture="normed", epochs=2)
RECIPES = {
    "average": replace(PLAIN, method=METHODS["average"]),
    "views": replace(PLAIN, method=METHODS["decoupled, mixup, views"]),
    "early stop": replace(PLAIN, method=METHODS["early stop"]),
    "dropout": replace(PLAIN, architecture="tiny-cnn"),
}
"""By what is special; the batches are of 17 and 18 samples, so that parts are uneven."""


def normed(_width: int, _shape: tuple[int, ...], classes: int) -> nn.Module:
    """A convolution with batch norm, and no dropout, of which each worker has its own."""
    head = nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes)
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), *head)


def student(recipe: Recipe, crew: Crew = ALONE, given: Material | None = None) -> bytes:
    """The weights of a student that `crew` trains; only the leader has validation samples."""
    seed_everything(recipe)
    with patch.dict(zoo.ZOO, normed=normed):
        network = students.build(recipe.architecture, 4, (1, 8, 8), 2)
    given = given or material()
    train(network, given if crew.leads else replace(given, validation=None), recipe, _ignore, crew=crew)
    return students.weights(network)


def digits_student(crew: Crew = ALONE) -> float:
    """The accuracy on unseen images of a student with dropout, taught by an unsure nearest-mean classifier."""
    images = digits.divide()
    labelled, exam = images.labelled, images.exam
    means = np.stack([labelled.inputs[labelled.labels == number].mean(axis=0).ravel() for number in range(10)])

    def teacher(view: Floats) -> Floats:
        return -np.square(view.reshape(len(view), 1, -1) - means).sum(axis=2)

    seed_everything(DIGITS)
    network = students.build(DIGITS.architecture, DIGITS.width, digits.SHAPE, digits.CLASSES)
    train(network, Material(labelled, images.traffic.inputs, teacher), DIGITS, _ignore, crew=crew)
    return measure.accuracy(predict(network, exam.inputs), exam.labels)


def hungry(folder: Path, crew: Crew, world: World) -> list[str]:
    """What is told when the last worker's memory runs out."""
    order = world.change(student={"architecture": "tests.unit.distill_job.own_nets:hungry_second"}, epochs=1)
    bundle = world.folder / "teacher"
    teacher = Classifier(read_card(bundle), (bundle / "model.onnx").read_bytes(), 1, TeacherInvalid)
    flat = material().labelled
    given = Handout(teacher, Labelled(flat.inputs[:, 0, 0, :2].copy(), flat.labels), flat.inputs[:0, 0, 0, :2], ())
    watch = Quiet()
    work = folder / f"work-{crew.rank}"
    work.mkdir()
    recipe = replace(Recipe.of(order, 1, crew.size), batch_size=64)
    teach(Lesson(order=order, recipe=recipe, given=given, work=work, watch=watch, crew=crew))
    return watch.notes


def main(folder: Path) -> None:
    told: dict[str, object] = {}
    world = World(folder, None, json.loads((folder / "order.json").read_text()))
    with meeting.meet(Post.read(os.environ), 600, _give_up) as crew:
        crew.assemble()
        for name, recipe in RECIPES.items():
            (folder / f"{name}-{crew.rank}").write_bytes(student(recipe, crew))
        told["accuracy"] = digits_student(crew)
        told["notes"] = hungry(folder, crew, world)
        broken = material()
        broken.labelled.inputs[0] = np.nan  # in a part of the batch that only one of them sees
        try:
            student(PLAIN, crew, broken)
        except NanLoss as error:
            told["nan"] = error.code
    (folder / f"told-{crew.rank}").write_text(json.dumps(told))


def _give_up(error: DistillError, _crew: Crew) -> None:
    sys.stderr.write(f"{error.code}: {error}\n")
    os._exit(1)


def _ignore(_losses: EpochLosses, _network: nn.Module) -> None:
    """Nobody is told."""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
