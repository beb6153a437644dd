"""The distillation loss. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NON_TARGET_WEIGHT = 8.0
"""Decoupled: weight of what the teacher says of the other classes; the paper's for CIFAR-100."""

SoftLoss = Callable[[Tensor, Tensor, float], Tensor]
"""From student's and teacher's logits (batch, classes) and the temperature to a scalar."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What one step minimises, and its two parts (scalars)."""

    total: Tensor
    soft: Tensor
    hard: Tensor


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ student) of the softened class probabilities, mean over the batch.

    The factor T² keeps the gradient's size when T changes: Hinton, Vinyals, Dean,
    Distilling the Knowledge in a Neural Network, 2015, section 2.

    Args:
        student: logits (batch, classes).
        teacher: logits (batch, classes).
        temperature: T > 0.
    """
    return temperature**2 * _divergence(
        functional.log_softmax(student / temperature, dim=1), functional.log_softmax(teacher / temperature, dim=1)
    )


def decoupled_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · (KL of "the target or another class" + 8 · KL among the other classes), mean over the batch.

    KL weighs the second part by how unsure the teacher is, so a sure teacher teaches little of it: Zhao et al.,
    Decoupled Knowledge Distillation, 2022, equations 7 and 8. The target is the teacher's first choice, not the
    label, so that samples without labels have one too.
    """
    target = functional.one_hot(teacher.argmax(dim=1), teacher.shape[1]).bool()
    ours = functional.log_softmax(student / temperature, dim=1)
    theirs = functional.log_softmax(teacher / temperature, dim=1)
    is_target = _divergence(_target_or_not(ours, target), _target_or_not(theirs, target))
    others = _divergence(_others(ours, target), _others(theirs, target))
    return temperature**2 * (is_target + NON_TARGET_WEIGHT * others)


def distillation_loss(  # noqa: PLR0913 (who says what, and how it is weighed)
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    alpha: float,
    soft: SoftLoss = soft_loss,
) -> Loss:
    """Return alpha * soft + (1 - alpha) * cross entropy on the labelled rows, plus alpha * soft on the rest.

    Args:
        student: logits (batch, classes); the first `len(labels)` rows are the labelled ones.
        teacher: logits (batch, classes) for the same rows.
        labels: class numbers (labelled,) or shares of classes (labelled, classes), at least one.
        temperature: softens both sides of the soft part.
        alpha: weight of the soft part, 0 to 1.
        soft: compares the two.
    """
    labelled = len(labels)
    hard = functional.cross_entropy(student[:labelled], labels)
    total = soft(student[:labelled], teacher[:labelled], temperature)
    if labelled < len(student):
        total = total + soft(student[labelled:], teacher[labelled:], temperature)
    return Loss(alpha * total + (1 - alpha) * hard, total, hard)


def hard_loss(student: Tensor, labels: Tensor) -> Loss:
    """Cross entropy alone: training without a teacher."""
    hard = functional.cross_entropy(student, labels)
    return Loss(hard, torch.zeros(()), hard)


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ student) of logarithms of probabilities, mean over the batch."""
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _target_or_not(log_probabilities: Tensor, target: Tensor) -> Tensor:
    """(batch, 2): logarithms of the target's probability and of all others' together."""
    return torch.stack(
        [
            log_probabilities.masked_fill(~target, -torch.inf).logsumexp(dim=1),
            log_probabilities.masked_fill(target, -torch.inf).logsumexp(dim=1),
        ],
        dim=1,
    )


def _others(log_probabilities: Tensor, target: Tensor) -> Tensor:
    """(batch, classes - 1): logarithms of the probabilities of all but the target, if it is none of the target."""
    count, classes = log_probabilities.shape
    return functional.log_softmax(log_probabilities[~target].reshape(count, classes - 1), dim=1)
