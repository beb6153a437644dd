"""What all scenes stand on: images, teachers, one way to teach and one to examine."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from edgemodel.bundle import Card, Tensor
from edgemodel.distillation import Method, Training
from edgemodel_distill import export, students
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import TeacherInvalid
from edgemodel_distill.train import predict, seed_everything, train
from edgemodel_distill.views import Material, Teacher
from tests.bench.distillation import fashion
from tests.bench.distillation.kept import Kept, Right

DEFAULTS = Training()
"""The Job's own recipe."""

THREADS = 1
"""One for each training: several run at once, and the same seed gives the same student on any number of cores."""

NOTHING: Floats = np.empty((0, *fashion.SHAPE), np.float32)

_MOST_KEPT = 150_000
"""Answers: enough for all images and their mirror images."""


@dataclass(frozen=True, kw_only=True)
class OfAll:
    """How all labels are learnt from."""

    learning_rate: float = DEFAULTS.learning_rate
    method: Method = field(default_factory=Method)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How long the scenes take. Chosen on the last 10,000 training images, never by the test set."""

    low_epochs: int
    all_epochs: int
    heal_epochs: int
    heal_samples: tuple[int, ...]
    of_all: OfAll = field(default_factory=OfAll)


class Asked:
    """A teacher that is not asked twice about the same image."""

    def __init__(self, model: Path) -> None:
        card = Card(
            name=model.stem,
            inputs=(Tensor(name=export.INPUT, datatype="FP32", shape=(-1, *fashion.SHAPE)),),
            outputs=(Tensor(name=export.OUTPUT, datatype="FP32", shape=(-1, fashion.CLASSES)),),
        )
        self.classifier = Classifier(card, model.read_bytes(), THREADS, TeacherInvalid)
        self._known: dict[bytes, Floats] = {}

    def __call__(self, inputs: Floats) -> Floats:
        keys = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in inputs]
        new = [number for number, key in enumerate(keys) if key not in self._known]
        answers = self.classifier.logits(inputs[new]) if new else ()
        fresh = {keys[number]: answer for number, answer in zip(new, answers, strict=True)}
        told: Floats = np.stack([fresh[key] if key in fresh else self._known[key] for key in keys])
        if len(self._known) < _MOST_KEPT:
            self._known |= fresh
        return told


@dataclass(frozen=True)
class Ground:
    """Read and computed once."""

    plain: Asked
    hardened: Asked
    scale: Scale
    kept: Kept

    @cached_property
    def known(self) -> Labelled:
        """All training images with labels."""
        return fashion.train_set()

    @cached_property
    def test(self) -> Labelled:
        """What is examined with."""
        return fashion.test_set()

    @cached_property
    def drifted_test(self) -> Labelled:
        """The same images after the camera was knocked."""
        return Labelled(fashion.drift(self.test.inputs, seed=2), self.test.labels)

    def student(self, seed: int) -> nn.Module:
        """A fresh tiny-cnn."""
        seed_everything(self.recipe(seed, 1))
        return students.build("tiny-cnn", 16, fashion.SHAPE, fashion.CLASSES)

    def recipe(self, seed: int, epochs: int, batch: int = 64, method: Method | None = None) -> Recipe:
        """The Job's."""
        return Recipe(
            architecture="tiny-cnn",
            width=16,
            temperature=DEFAULTS.temperature,
            alpha=DEFAULTS.alpha,
            epochs=epochs,
            learning_rate=DEFAULTS.learning_rate,
            batch_size=batch,
            seed=seed,
            threads=THREADS,
            method=method or Method(augment={"noise": 0}),
        )

    def recipe_of_all(self, seed: int) -> Recipe:
        """The one for all labels."""
        how = self.scale.of_all
        return replace(self.recipe(seed, self.scale.all_epochs, 128, how.method), learning_rate=how.learning_rate)

    def teach(
        self, labelled: Labelled, edge: Floats, teacher: Teacher | None, recipe: Recipe, start: nn.Module
    ) -> None:
        """Train `start` with the Job's own code."""
        seed_everything(recipe)
        train(start, Material(labelled, edge, teacher), recipe, lambda *_: None)

    @cached_property
    def right_of_teacher(self) -> Right:
        """Which test images the plain teacher tells right."""
        told: Right = self.plain(self.test.inputs).argmax(axis=1) == self.test.labels
        return told

    def alone(self, seed: int) -> nn.Module:
        """A student of all labels, without a teacher."""
        return self._of_all_labels("alone", None, seed)

    def distilled(self, seed: int) -> nn.Module:
        """A student of all labels and the plain teacher."""
        return self._of_all_labels("distilled", self.plain, seed)

    def _of_all_labels(self, name: str, teacher: Teacher | None, seed: int) -> nn.Module:
        student = self.student(seed)
        if not self.kept.restore(name, seed, student):
            self.teach(self.known, NOTHING, teacher, self.recipe_of_all(seed), student)
            self.kept.keep_student(name, seed, student)
        return student

    def right(self, network: nn.Module, exam: Labelled | None = None) -> Right:
        """Which images of `exam`, or of the test set, the network tells right."""
        wanted = exam or self.test
        told: Right = predict(network, wanted.inputs).argmax(axis=1) == wanted.labels
        return told
