"""Everything that changes while a student is trained: weights, optimiser, learning rate, average, the best so far."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgemodel.distillation import Method
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import Crew
from edgemodel_distill.heartbeat import HEART
from edgemodel_distill.losses import Loss
from edgemodel_distill.views import Views

MOMENTUM, DECAY = 0.9, 5e-4
"""Of SGD: He et al., Deep Residual Learning for Image Recognition, 2016, section 4.2, and most after it."""

_STEPS = ((0.75, 0.01), (0.5, 0.1))
"""The step schedule: from this share of the training on, this share of the learning rate."""

State = dict[str, Tensor]


@dataclass(slots=True)
class Best:
    """The best student so far, by accuracy on the validation part."""

    accuracy: float = -1.0
    epoch: int = 0
    weights: State | None = None

    def compare(self, accuracy: float, epoch: int, network: nn.Module) -> None:
        """Take over `network` after `epoch` where it is better."""
        if accuracy > self.accuracy:
            self.accuracy, self.epoch = accuracy, epoch
            self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def is_stale(self, epoch: int, patience: int) -> bool:
        """Whether the `patience` epochs before `epoch` brought nothing; a patience of 0 has no end."""
        return patience > 0 and epoch - 1 - self.epoch >= patience


@dataclass(slots=True)
class Place:
    """Where a training is."""

    epoch: int = 1
    step: int = 0
    """Steps of this epoch that are done."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of total, soft and hard loss over them."""

    def progress(self, steps: int, epochs: int) -> float:
        """The share of the training that is done, where an epoch has `steps`."""
        return (self.epoch - 1 + self.step / steps) / epochs

    def add(self, loss: Loss) -> None:
        """A step is done."""
        parts = (loss.total, loss.soft, loss.hard)
        self.sums = [so_far + part.item() for so_far, part in zip(self.sums, parts, strict=True)]
        self.step += 1
        HEART.beat()

    def turn(self) -> tuple[float, ...]:
        """Go to the next epoch; return the mean losses of this one."""
        means = tuple(total / self.step for total in self.sums)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, [0.0, 0.0, 0.0]
        return means


@dataclass(frozen=True, slots=True)
class Running:
    """A training that may be saved and gone on with."""

    student: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    views: Views
    average: AveragedModel | None
    best: Best
    place: Place

    @property
    def crew(self) -> Crew:
        """All workers of this training."""
        return self.views.crew

    @property
    def result(self) -> nn.Module:
        """The network that would be shipped if the training ended now."""
        if self.average is None:
            return self.student
        averaged: nn.Module = self.average.module
        return averaged


def begin(student: nn.Module, views: Views, recipe: Recipe) -> Running:
    """A training of `student` that has not begun."""
    method = recipe.method
    optimizer = _optimizer(student, recipe)
    steps = recipe.epochs * views.labelled.batches
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_share(step / steps, method))
    average = None
    if method.average:
        averaging = get_ema_multi_avg_fn(method.average)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        average = AveragedModel(student, multi_avg_fn=averaging, use_buffers=True)
    return Running(student, optimizer, schedule, views, average, Best(), Place())


def rate_share(progress: float, method: Method) -> float:
    """What share of the learning rate holds when `progress` (0 to 1) of the training is done.

    The warm-up is linear: Goyal et al., Accurate, Large Minibatch SGD, 2017, section 2.2. The cosine reaches zero at
    the end: Loshchilov and Hutter, SGDR, 2017.
    """
    rising = rise(progress, method)
    match method.schedule:
        case "Cosine":
            return rising * (1 + math.cos(math.pi * progress)) / 2
        case "Step":
            return rising * next((share for since, share in _STEPS if progress >= since), 1.0)


def rise(progress: float, method: Method) -> float:
    """From 0 to 1 during the warm-up, then 1."""
    return progress / method.warm_up if progress < method.warm_up else 1.0


def _optimizer(student: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    match recipe.method.optimizer:
        case "Adam":
            return torch.optim.Adam(student.parameters(), lr=recipe.learning_rate)
        case "SGD":
            return torch.optim.SGD(
                student.parameters(), lr=recipe.learning_rate, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
            )
