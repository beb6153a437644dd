"""The student, trained: built or warm-started, taught, and pruned where that is wanted."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from torch import nn

from edgemodel.bundle import digest_of
from edgemodel.distillation import Order
from edgemodel_distill import handout, prune, students
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import ALONE, Crew
from edgemodel_distill.data import Labelled
from edgemodel_distill.errors import OutOfMemory, classify
from edgemodel_distill.handout import Handout
from edgemodel_distill.progress import EpochReport, Watch
from edgemodel_distill.train import EpochLosses, seed_everything, train
from edgemodel_distill.views import Material

_LATER: Mapping[str, bool | set[str]] = {
    "name": True,
    "gates": True,
    "push": True,
    "trusted_keys": True,
    "compress": {"quantize"},
}
"""Of an order what matters once the student is trained: a lowered gate is no reason to train anew."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What came out of the training."""

    student: nn.Module
    pruned: nn.Module | None
    warm: bool
    """Whether it began with the serving student's weights."""
    recipe: Recipe
    """What it was trained by: batches may be smaller than they were asked for."""
    epochs: tuple[EpochReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a training needs to know."""

    order: Order
    recipe: Recipe
    given: Handout
    validation: Labelled | None = None
    weights: Path | None = None
    """To begin with, where they fit."""
    examine: Callable[[nn.Module, EpochLosses, int], EpochReport] | None = None
    """Reports on the network after an epoch of so many; None: the leader does."""
    work: Path
    watch: Watch
    crew: Crew = ALONE

    def material(self) -> Material:
        """What is trained on."""
        return Material(self.given.labelled, self.given.edge, self.given.teacher.logits, self.validation)


def teach(lesson: Lesson) -> Taught:
    """Train the student; when memory runs out, at any of the workers, once more with batches half as large.

    Raises:
        DistillError: see `edgemodel_distill.errors`.
        Terminated: SIGTERM came.
    """
    try:
        return _teach(lesson)
    except (MemoryError, RuntimeError, OutOfMemory) as error:
        size, known = lesson.recipe.batch_size, classify(error)
        if size == 1 or not isinstance(known, OutOfMemory):
            raise
        lesson.watch.note(f"out of memory with batches of {size}: once more with {size // 2}")
        lesson.crew.tell(known.code, str(known))
    lesson.crew.regroup()
    return _teach(replace(lesson, recipe=replace(lesson.recipe, batch_size=size // 2)))


def _teach(lesson: Lesson) -> Taught:
    order, teacher = lesson.order, lesson.given.teacher
    seed_everything(lesson.recipe)
    student = students.build(order.student.architecture, order.student.width, teacher.input_shape, teacher.classes)
    warm = lesson.weights is not None and students.warm_start(student, lesson.weights)
    epochs = _train(student, lesson, "checkpoint")
    pruned = None
    if order.compress.prune:
        lesson.watch.stage("Pruning")
        pruned = prune.prune(student, order.compress.prune, teacher.input_shape)
        _train(pruned, lesson, "checkpoint-pruned")
    return Taught(student, pruned, warm, lesson.recipe, epochs)


def _train(network: nn.Module, lesson: Lesson, name: str) -> tuple[EpochReport, ...]:
    examine = lesson.examine
    checkpoint = Checkpoint(lesson.work / f"{name}.safetensors", _fingerprint(lesson), tell=lesson.watch.note)

    def after_epoch(losses: EpochLosses, network: nn.Module) -> None:
        if examine is None:
            return
        report = examine(network, losses, lesson.recipe.epochs)
        checkpoint.notes.append(asdict(report))
        lesson.watch.epoch(report)

    train(network, lesson.material(), lesson.recipe, after_epoch, checkpoint, crew=lesson.crew)
    return tuple(EpochReport(**note) for note in checkpoint.notes)


def _fingerprint(lesson: Lesson) -> str:
    """Of all that the weights depend on, the libraries included; not of what becomes of them."""
    order = lesson.order.model_dump(mode="json", exclude=_LATER)
    depends = [order, lesson.recipe.dump(), lesson.given.samples, handout.versions()]
    return digest_of(json.dumps(depends, sort_keys=True).encode())
