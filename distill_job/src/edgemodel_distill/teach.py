"""The student, trained: built or warm-started, taught, and pruned where that is wanted."""

import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from torch import nn

from edgemodel.bundle import digest_of
from edgemodel.distillation import Order
from edgemodel_distill import prune, students
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.config import Recipe
from edgemodel_distill.errors import BadOrder, OutOfMemory, classify
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import Ingredients
from edgemodel_distill.progress import EpochReport, Watch
from edgemodel_distill.train import EpochLosses, seed_everything, train
from edgemodel_distill.views import Material


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


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a training needs to know."""

    order: Order
    recipe: Recipe
    things: Ingredients
    examiner: Examiner
    work: Path
    watch: Watch

    def material(self) -> Material:
        """What is trained on."""
        examiner = self.examiner
        return Material(examiner.training, examiner.edge_training, self.things.teacher.logits, examiner.validation)


def teach(lesson: Lesson) -> Taught:
    """Train the student; when memory runs out, once more with batches half as large.

    Raises:
        DistillError: see `edgemodel_distill.errors`.
        Terminated: SIGTERM came.
    """
    try:
        return _teach(lesson)
    except (MemoryError, RuntimeError) as error:
        size = lesson.recipe.batch_size
        if size == 1 or not isinstance(classify(error), OutOfMemory):
            raise
        lesson.watch.note(f"out of memory with batches of {size}: once more with {size // 2}")
    return _teach(replace(lesson, recipe=replace(lesson.recipe, batch_size=size // 2)))


def _teach(lesson: Lesson) -> Taught:
    order, teacher, parent = lesson.order, lesson.things.teacher, lesson.things.parent
    seed_everything(lesson.recipe)
    try:
        student = students.build(order.student.architecture, order.student.width, teacher.input_shape, teacher.classes)
    except ValueError as error:
        raise BadOrder(f"student: {error}") from error
    warm = parent is not None and parent.weights is not None and students.warm_start(student, parent.weights)
    epochs = _train(student, lesson, "checkpoint")
    pruned = None
    if order.compress.prune:
        lesson.watch.stage("Pruning")
        pruned = prune.prune(student, order.compress.prune, teacher.input_shape)
        shorter = replace(lesson.recipe, epochs=-(-lesson.recipe.epochs // 2))
        _train(pruned, replace(lesson, recipe=shorter), "checkpoint-pruned")
    return Taught(student, pruned, warm, lesson.recipe, epochs)


def _train(network: nn.Module, lesson: Lesson, name: str) -> tuple[EpochReport, ...]:
    checkpoint = Checkpoint(lesson.work / f"{name}.safetensors", _fingerprint(lesson))

    def after_epoch(losses: EpochLosses, network: nn.Module) -> None:
        report = lesson.examiner.report(network, losses, lesson.recipe.epochs)
        checkpoint.notes.append(asdict(report))
        lesson.watch.epoch(report)

    train(network, lesson.material(), lesson.recipe, after_epoch, checkpoint)
    return tuple(EpochReport(**note) for note in checkpoint.notes)


def _fingerprint(lesson: Lesson) -> str:
    """Of all that the student depends on, the libraries included."""
    versions = {name: version(name) for name in ("torch", "numpy", "onnxruntime", "edgemodel-distill")}
    depends = [lesson.order.dump(), lesson.recipe.dump(), lesson.things.edge.digests, versions]
    return digest_of(json.dumps(depends, sort_keys=True).encode())
