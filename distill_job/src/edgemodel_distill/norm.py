"""Batch norm over the batches of all workers: a worker's part alone has too few samples to tell mean and spread.

PyTorch's SyncBatchNorm does the same on GPUs only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edgemodel_distill.crew import Crew


@contextmanager
def shared(network: nn.Module, crew: Crew) -> Iterator[None]:
    """In here the batch norms of `network`, while it trains, take the statistics of all workers' samples."""
    layers = [layer for layer in network.modules() if crew.size > 1 and isinstance(layer, _BatchNorm)]
    for layer in layers:
        layer.forward = partial(_normalise, layer, crew)  # type: ignore[method-assign]  # gone again below
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def statistics(inputs: Tensor, crew: Crew) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (channels,), variance (channels,) and number of all workers' `inputs` (samples, channels, …).

    Each worker's own mean and variance are combined: Chan, Golub and LeVeque, Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances, 1979; sums of squares would cancel.
    """
    values = inputs.transpose(0, 1).flatten(1)  # (channels, samples · …)
    variance, mean = torch.var_mean(values, dim=1, correction=0)
    own = torch.cat([mean, variance, mean.new_full((1,), values.shape[1])])
    everyone: Tensor = _Gather.apply(own, crew)
    means, variances, counts = torch.split(everyone, [len(mean), len(mean), 1], dim=1)  # (workers, channels or 1)
    count = counts.sum()
    mean = (counts * means).sum(dim=0) / count
    return mean, (counts * (variances + (means - mean) ** 2)).sum(dim=0) / count, count


def _normalise(layer: _BatchNorm, crew: Crew, inputs: Tensor) -> Tensor:
    if not layer.training:
        return type(layer).forward(layer, inputs)
    mean, variance, count = statistics(inputs.float(), crew)
    if layer.running_mean is not None and layer.running_var is not None and layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
        unbiased = variance * count / (count - 1)
        layer.running_mean.lerp_(mean.detach(), share)
        layer.running_var.lerp_(unbiased.detach(), share)
    shape = (1, -1, *[1] * (inputs.ndim - 2))
    normal = (inputs - mean.view(shape)) / (variance.view(shape) + layer.eps).sqrt()
    if layer.weight is None:
        return normal
    return normal * layer.weight.view(shape) + layer.bias.view(shape)


class _Gather(torch.autograd.Function):
    """All workers' vectors as rows; what each worker's loss makes of a row flows back to the one that it came from."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, crew: Crew) -> Tensor:
        ctx.crew = crew
        rows = own.new_zeros(crew.size, len(own))
        rows[crew.rank] = own
        crew.add_up(rows)
        return rows

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        ctx.crew.add_up(total)
        return total[ctx.crew.rank], None
