"""The training, top to bottom.

Each step mixes a batch of labelled samples with a batch of unlabelled ones from the edge. The teacher labels the very
view that the student sees ("consistent" distillation: Beyer et al., Knowledge distillation: A good teacher is patient
and consistent, 2022).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import NanLoss
from edgemodel_distill.losses import Loss, distillation_loss, hard_loss

PREDICT_BATCH = 256

Teacher = Callable[[Floats], Floats]
"""From inputs (N, *shape) to logits (N, classes)."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is trained on. Without a teacher the loss is the cross entropy of the labelled samples alone."""

    labelled: Labelled
    edge: Floats
    """Unlabelled; may be empty."""
    teacher: Teacher | None


@dataclass(frozen=True, slots=True)
class EpochLosses:
    """Means over one epoch, numbered from 1."""

    epoch: int
    loss: float
    soft: float
    hard: float


def seed_everything(recipe: Recipe) -> None:
    """Make PyTorch repeatable: equal recipes and material give equal weights on one kind of machine."""
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)


def train(student: nn.Module, material: Material, recipe: Recipe, after_epoch: Callable[[EpochLosses], None]) -> None:
    """Train `student` in place, and leave it in evaluation mode.

    Raises:
        NanLoss: the loss stopped being a finite number.
    """
    random = np.random.default_rng(recipe.seed)
    labelled, edge = material.labelled, material.edge
    noise = recipe.edge_noise * float(edge.std()) if len(edge) else 0.0
    steps_per_epoch = max(1, len(labelled) // recipe.batch_size)
    optimizer = torch.optim.Adam(student.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * steps_per_epoch)
    edge_rows = _endless(len(edge), recipe.batch_size, random)

    for epoch in range(1, recipe.epochs + 1):
        student.train()
        sums = np.zeros(3)
        # Parts of nearly equal size: a last batch of a single sample would break batch norm.
        for rows in np.array_split(random.permutation(len(labelled)), steps_per_epoch):
            view = labelled.inputs[rows]  # (B, *shape)
            if len(edge):
                extra = edge[next(edge_rows)]  # (E, *shape)
                extra = extra + random.normal(0, noise, extra.shape).astype(np.float32)
                view = np.concatenate([view, extra])  # (B + E, *shape)
            labels = torch.from_numpy(labelled.labels[rows])  # (B,)

            loss = _loss(student(torch.from_numpy(view)), view, labels, material.teacher, recipe)
            if not torch.isfinite(loss.total):
                raise NanLoss(
                    f"epoch {epoch}: the loss is {loss.total.item()}; lower the learning rate, or check the data"
                )
            optimizer.zero_grad()
            loss.total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
            sums += [loss.total.item(), loss.soft.item(), loss.hard.item()]
        student.eval()
        after_epoch(EpochLosses(epoch, *(sums / steps_per_epoch).tolist()))


def predict(student: nn.Module, inputs: Floats) -> Floats:
    """The student's logits (N, classes) for `inputs` (N, *shape), in evaluation mode."""
    student.eval()
    with torch.no_grad():
        parts = [student(part) for part in torch.split(torch.from_numpy(inputs), PREDICT_BATCH)]
    logits: Floats = torch.cat(parts).numpy()
    return logits


def _loss(logits: Tensor, view: Floats, labels: Tensor, teacher: Teacher | None, recipe: Recipe) -> Loss:
    if teacher is None:
        return hard_loss(logits[: len(labels)], labels)
    targets = torch.from_numpy(teacher(view))
    return distillation_loss(logits, targets, labels, temperature=recipe.temperature, alpha=recipe.alpha)


def _endless(count: int, size: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches of row numbers, one shuffle after the other."""
    while True:
        rows = random.permutation(count)
        for start in range(0, count, size):
            yield rows[start : start + size]
