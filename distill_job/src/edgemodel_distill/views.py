"""What a step of the training sees: labelled and unlabelled samples in a new view, and what the teacher says of it.

The teacher labels the very view that the student sees ("consistent" distillation: Beyer et al., Knowledge
distillation: A good teacher is patient and consistent, 2022). Where a sample always looks the same it is asked once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from edgemodel.distillation import Augment
from edgemodel_distill import augment
from edgemodel_distill.batches import Shuffled
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import ALONE, Crew
from edgemodel_distill.data import Floats, Labelled, Labels
from edgemodel_distill.errors import BadOrder

Teacher = Callable[[Floats], Floats]
"""From inputs (N, *shape) to logits (N, classes)."""

View = tuple[Floats, Floats | None]
"""Inputs (N, *shape), and the teacher's logits (N, classes) where it was asked before."""

_IMAGE = 3
"""Dimensions of one: channels, height, width."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is trained on. Without a teacher the loss is the cross entropy of the labelled samples alone."""

    labelled: Labelled
    edge: Floats
    """Unlabelled; may be empty."""
    teacher: Teacher | None
    validation: Labelled | None = None
    """Taken from the training set, never from the holdout: tells when to stop early."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B labelled rows, then E unlabelled ones; of several workers each has n of these N = B + E rows."""

    inputs: Tensor
    """(n, *shape)"""
    labels: Tensor
    """(B,) class numbers, or (B, classes) shares where samples are mixed."""
    targets: Tensor | None
    """(n, classes): the teacher's logits."""
    rows: Tensor
    """(n,): which of the N rows these are."""
    count: int
    """N."""

    def to(self, device: torch.device) -> "Batch":
        """The same on `device`."""
        targets = self.targets.to(device) if self.targets is not None else None
        return Batch(self.inputs.to(device), self.labels.to(device), targets, self.rows.to(device), self.count)


@dataclass(slots=True)
class Views:
    """Gives one batch after the other; `random`, `labelled` and `edge` are all that changes.

    Every worker makes the views of the whole batch, so that all of this is the same everywhere, and goes on with its
    part of them: the teacher is asked about each view once.
    """

    material: Material
    recipe: Recipe
    random: np.random.Generator
    crew: Crew = ALONE
    labelled: Shuffled = field(init=False)
    edge: Shuffled = field(init=False)
    _noise: float = field(init=False, default=0.0)
    _known: dict[str, Floats] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Raises BadOrder where samples are to be looked at as images and are none, or where a worker would idle."""
        size = self.recipe.batch_size
        self.labelled = Shuffled(len(self.material.labelled), size, self.random)
        self.edge = Shuffled(len(self.material.edge), size, self.random)
        if (smallest := len(self.material.labelled) // self.labelled.batches) < self.crew.size:
            raise BadOrder(f"workers: want at most the labelled samples of a batch, {smallest}, got {self.crew.size}")
        if len(self.material.edge):
            self._noise = self.recipe.method.augment.noise * float(self.material.edge.std())
        wanted, shape = self.recipe.method.augment, self.material.labelled.inputs.shape[1:]
        if _moves(wanted) and len(shape) != _IMAGE:
            raise BadOrder(f"method.augment: shift, flip and erase want images, and the inputs are {shape}; want 0")

    def next(self) -> Batch:
        """The next batch."""
        rows, labelled = self.labelled.next(), self.material.labelled
        parts = [self._view("labelled", labelled.inputs, rows, noise=0.0)]
        labels = labelled.labels[rows]
        if len(self.material.edge):
            parts.append(self._view("edge", self.material.edge, self.edge.next(), self._noise))
        if not self.recipe.method.mixup:
            return self._batch(parts, labels)
        return self._batch(*self._mixed([inputs for inputs, _ in parts], labels))

    def _batch(self, parts: list[View], labels: Labels | Floats) -> Batch:
        numbers = np.split(np.arange(sum(len(inputs) for inputs, _ in parts)), [len(parts[0][0])])
        rows = np.concatenate([each[self.crew.part(len(each))] for each in numbers])
        own = [_part(view, self.crew) for view in parts]
        inputs, targets = np.concatenate([inputs for inputs, _ in own]), self._targets(own)
        count = sum(len(each) for each in numbers)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(labels), targets, torch.from_numpy(rows), count)

    def _view(self, name: str, inputs: Floats, rows: Labels, noise: float) -> View:
        """A view of some rows, and what the teacher says of it where that is known already."""
        wanted, view = self.recipe.method.augment, inputs[rows]
        if not noise and not _moves(wanted):
            return view, self._remembered(name, inputs)[rows] if self.material.teacher is not None else None
        if wanted.shift:
            view = augment.shift(view, wanted.shift, self.random)
        if wanted.flip:
            view = augment.flip(view, self.random)
        if wanted.erase:
            view = augment.erase(view, wanted.erase, self.random)
        if noise:
            view = view + self.random.normal(0, noise, view.shape).astype(np.float32)
        return view, None

    def _mixed(self, parts: list[Floats], labels: Labels) -> tuple[list[View], Floats]:
        """Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018; one share for the whole batch."""
        share = np.float32(self.random.beta(self.recipe.method.mixup, self.recipe.method.mixup))
        shares = np.zeros((len(labels), self._classes()), np.float32)
        mixed: list[View] = []
        for number, part in enumerate(parts):
            other = self.random.permutation(len(part))
            mixed.append((share * part + (1 - share) * part[other], None))
            if number == 0:
                np.add.at(shares, (np.arange(len(labels)), labels), share)
                np.add.at(shares, (np.arange(len(labels)), labels[other]), 1 - share)
        return mixed, shares

    def _classes(self) -> int:
        if self.material.teacher is None:
            return int(self.material.labelled.labels.max()) + 1
        return int(self.material.teacher(self.material.labelled.inputs[:1]).shape[1])

    def _targets(self, parts: list[View]) -> Tensor | None:
        """The teacher is asked only about views that it has not seen."""
        teacher = self.material.teacher
        if teacher is None:
            return None
        answers = [teacher(inputs) if known is None else known for inputs, known in parts]
        return torch.from_numpy(np.concatenate(answers))

    def _remembered(self, name: str, inputs: Floats) -> Floats:
        if name not in self._known and self.material.teacher is not None:
            part = self.crew.part(len(inputs))
            own = torch.from_numpy(self.material.teacher(inputs[part]))
            rows = torch.arange(part.start, part.stop)
            self._known[name] = self.crew.whole(own, rows, len(inputs)).numpy()
        return self._known[name]


def _part(view: View, crew: Crew) -> View:
    """This worker's rows of a view of the whole batch."""
    inputs, targets = view
    own = crew.part(len(inputs))
    return inputs[own], targets[own] if targets is not None else None


def _moves(wanted: Augment) -> bool:
    return bool(wanted.shift or wanted.flip or wanted.erase)
