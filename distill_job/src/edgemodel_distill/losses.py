"""The distillation loss. Pure."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


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
    return temperature**2 * functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def distillation_loss(student: Tensor, teacher: Tensor, labels: Tensor, *, temperature: float, alpha: float) -> Loss:
    """Return alpha * soft + (1 - alpha) * cross entropy on the labelled rows, plus alpha * soft on the rest.

    Args:
        student: logits (batch, classes); the first `len(labels)` rows are the labelled ones.
        teacher: logits (batch, classes) for the same rows.
        labels: class numbers (labelled,), at least one.
        temperature: softens both sides of the soft part.
        alpha: weight of the soft part, 0 to 1.
    """
    labelled = len(labels)
    hard = functional.cross_entropy(student[:labelled], labels)
    soft = soft_loss(student[:labelled], teacher[:labelled], temperature)
    if labelled < len(student):
        soft = soft + soft_loss(student[labelled:], teacher[labelled:], temperature)
    return Loss(alpha * soft + (1 - alpha) * hard, soft, hard)


def hard_loss(student: Tensor, labels: Tensor) -> Loss:
    """Cross entropy alone: training without a teacher."""
    hard = functional.cross_entropy(student, labels)
    return Loss(hard, torch.zeros(()), hard)
