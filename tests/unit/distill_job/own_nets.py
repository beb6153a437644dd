"""Students of one's own, as an image or a folder may bring them: good ones, and one for each thing that is wrong."""

import os

import torch
from torch import Tensor, nn

from edgemodel_distill.zoo import Shape

number = 3


def plain(width: int, shape: Shape, classes: int) -> nn.Module:
    """A chain that can be pruned."""
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, classes))


class Tied(nn.Module):
    """No chain: it adds what it was given, with a layer that is used twice."""

    def __init__(self, width: int, shape: Shape, classes: int) -> None:
        super().__init__()
        self.inner = nn.Linear(shape[0], width)
        self.again = nn.Linear(width, width)
        self.outer = nn.Linear(width, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.inner(inputs))
        answer: Tensor = self.outer(hidden + torch.relu(self.again(torch.relu(self.again(hidden)))))
        return answer


class Scrambled(nn.Sequential):
    """Looks like a chain; its layers see each other's channels in another order."""

    def __init__(self, width: int, shape: Shape, classes: int) -> None:
        super().__init__(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, inputs: Tensor) -> Tensor:
        first, between, last = self
        answer: Tensor = last(between(first(inputs)).cumsum(dim=1))
        return answer


class Hungry(nn.Sequential):
    """Cannot be trained with more than so many samples at once."""

    most = 40

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training and len(inputs) > self.most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return super().forward(inputs)


class HungrySecond(Hungry):
    """The same on the second worker's machine only."""

    most = 20 if os.environ.get("RANK") == "1" else 1_000_000


def hungry(_width: int, shape: Shape, classes: int) -> nn.Module:
    return Hungry(nn.Linear(shape[0], classes))


def hungry_second(_width: int, shape: Shape, classes: int) -> nn.Module:
    return HungrySecond(nn.Linear(shape[0], classes))


def too_few_arguments(width: int) -> nn.Module:
    return nn.Linear(width, width)


def failing(width: int, _shape: Shape, _classes: int) -> nn.Module:
    return nn.Linear(width, width // 0)


def leaving(_width: int, _shape: Shape, _classes: int) -> nn.Module:
    raise SystemExit(2)


def no_network(width: int, _shape: Shape, _classes: int) -> int:
    return width


def other_classes(width: int, shape: Shape, classes: int) -> nn.Module:
    return plain(width, shape, classes + 1)


def other_inputs(width: int, _shape: Shape, classes: int) -> nn.Module:
    return plain(width, (7,), classes)


def other_precision(width: int, shape: Shape, classes: int) -> nn.Module:
    return Cast(plain(width, shape, classes))


def nothing_to_train(_width: int, _shape: Shape, _classes: int) -> nn.Module:
    return nn.ConstantPad1d((1, 1), 0.0)


class Cast(nn.Sequential):
    """Answers in half precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).bfloat16()


class Shared(nn.Sequential):
    """Two names for one weight, which a file of weights cannot keep."""

    def __init__(self, width: int, shape: Shape, classes: int) -> None:
        super().__init__(nn.Linear(shape[0], width), nn.Linear(width, width), nn.Linear(width, width))
        self.append(nn.Linear(width, classes))
        self[2].weight = self[1].weight


class Foreign(nn.Module):
    """Computes what ONNX has no operator for."""

    def __init__(self, _width: int, shape: Shape, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], classes)

    def forward(self, inputs: Tensor) -> Tensor:
        answer: Tensor = torch.special.bessel_j0(self.layer(inputs))
        return answer


class FixedBatch(nn.Module):
    """Right for the batch that it is exported with."""

    def __init__(self, _width: int, shape: Shape, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], classes)

    def forward(self, inputs: Tensor) -> Tensor:
        answer: Tensor = self.layer(inputs).reshape(2, -1)
        return answer
