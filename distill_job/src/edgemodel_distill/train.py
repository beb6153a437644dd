"""The training, top to bottom.

Each step mixes a batch of labelled samples with a batch of unlabelled ones from the edge. The teacher labels the very
view that the student sees ("consistent" distillation: Beyer et al., Knowledge distillation: A good teacher is patient
and consistent, 2022).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgemodel_distill.batches import EndlessRows
from edgemodel_distill.checkpoint import Checkpoint, Running
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


def train(
    student: nn.Module,
    material: Material,
    recipe: Recipe,
    after_epoch: Callable[[EpochLosses], None],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train `student` in place, and leave it in evaluation mode; go on from `checkpoint` where that has begun.

    Raises:
        NanLoss: the loss stopped being a finite number.
    """
    labelled = material.labelled
    steps_per_epoch = max(1, len(labelled) // recipe.batch_size)
    running = _begin(student, material, recipe, steps_per_epoch)
    done = checkpoint.resume(running) if checkpoint is not None else 0

    for epoch in range(done + 1, recipe.epochs + 1):
        student.train()
        sums = np.zeros(3)
        # Parts of nearly equal size: a last batch of a single sample would break batch norm.
        for rows in np.array_split(running.random.permutation(len(labelled)), steps_per_epoch):
            view = np.concatenate(
                [labelled.inputs[rows], *_edge_view(material.edge, running, recipe)]
            )  # (B + E, *shape)
            labels = torch.from_numpy(labelled.labels[rows])  # (B,)
            loss = _loss(student(torch.from_numpy(view)), view, labels, material.teacher, recipe)
            _check(loss, epoch)
            running.optimizer.zero_grad()
            loss.total.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            running.optimizer.step()
            running.schedule.step()
            sums += [loss.total.item(), loss.soft.item(), loss.hard.item()]
        student.eval()
        after_epoch(EpochLosses(epoch, *(sums / steps_per_epoch).tolist()))
        if checkpoint is not None:
            checkpoint.save(epoch, running)
    student.eval()


def predict(student: nn.Module, inputs: Floats) -> Floats:
    """The student's logits (N, classes) for `inputs` (N, *shape), in evaluation mode."""
    student.eval()
    with torch.no_grad():
        parts = [student(part) for part in torch.split(torch.from_numpy(inputs), PREDICT_BATCH)]
    logits: Floats = torch.cat(parts).numpy()
    return logits


def _begin(student: nn.Module, material: Material, recipe: Recipe, steps_per_epoch: int) -> Running:
    random = np.random.default_rng(recipe.seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * steps_per_epoch)
    return Running(student, optimizer, schedule, random, EndlessRows(len(material.edge), recipe.batch_size, random))


def _edge_view(edge: Floats, running: Running, recipe: Recipe) -> list[Floats]:
    """A noisy batch of edge samples, (E, *shape); nothing where there are none."""
    if not len(edge):
        return []
    batch = edge[running.edge_rows.next()]
    return [batch + running.random.normal(0, recipe.edge_noise * float(edge.std()), batch.shape).astype(np.float32)]


def _loss(logits: Tensor, view: Floats, labels: Tensor, teacher: Teacher | None, recipe: Recipe) -> Loss:
    if teacher is None:
        return hard_loss(logits[: len(labels)], labels)
    targets = torch.from_numpy(teacher(view))
    return distillation_loss(logits, targets, labels, temperature=recipe.temperature, alpha=recipe.alpha)


def _check(loss: Loss, epoch: int) -> None:
    if not torch.isfinite(loss.total):
        raise NanLoss(f"epoch {epoch}: the loss is {loss.total.item()}; lower the learning rate, or check the data")
