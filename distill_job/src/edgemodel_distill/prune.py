"""Structured pruning: channels are taken out, so that the network is smaller and not merely full of zeros.

Channels go by the norm of their filters: Li et al., Pruning Filters for Efficient ConvNets, 2017. In a residual block
only the inner channels can go, since the outer ones are those of a sum; and as there (section 3.3) each layer loses
the same share.
"""

import copy
from bisect import bisect
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgemodel_distill.errors import BadOrder
from edgemodel_distill.zoo import Residual, Shape

_FINENESS = 32
"""How many shares of channels to keep are tried."""

_BLOCK = 8
"""Channels that ONNX Runtime's fast convolutions take at once: floats of a 256-bit register. With 11 channels for 16 it
takes slow ones, and half the work lasts longer than the whole did."""

_KEEPS_CHANNELS = (nn.ReLU, nn.Dropout, nn.Flatten, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)

Weighted = nn.Conv2d | nn.Linear


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that go or stay together."""

    maker: Weighted
    """The layer whose outputs they are."""
    followers: tuple[nn.Module, ...]
    """Batch norms and depthwise convolutions that have one filter for each."""
    reader: Weighted
    """The layer whose inputs they are, maybe several for each channel."""


def prune(network: nn.Module, share: float, input_shape: Shape) -> nn.Module:
    """A copy of `network` with so many channels fewer that at least `share` of its multiplications are gone.

    Raises:
        BadOrder: nothing in it can be pruned that far, or it computes otherwise than its layers in a row do.
    """
    _check_chain(network, input_shape)
    most = (1 - share) * multiplications(network, input_shape)
    for block in (_BLOCK, 1):

        def is_too_large(kept: int, block: int = block) -> bool:
            return multiplications(_cut(network, kept / _FINENESS, block)[0], input_shape) > most

        # More channels are never fewer multiplications: bisect finds the largest share that fits, or 0.
        if kept := bisect(range(1, _FINENESS), False, key=is_too_large):
            return _cut(network, kept / _FINENESS, block)[0]
    why = "" if groups(network) else ": only layers in an nn.Sequential can lose channels"
    raise BadOrder(f"compress.prune: this student cannot lose {share:.0%} of its multiplications{why}; want less, or 0")


def multiplications(network: nn.Module, input_shape: Shape) -> int:
    """Multiplications of convolutions and dense layers for one input."""
    count = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal count
        if isinstance(layer, Weighted):
            count += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(add) for layer in network.modules()]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, *input_shape))
    for hook in hooks:
        hook.remove()
    return count


def groups(network: nn.Module) -> list[Group]:
    """What can be pruned in a chain of layers; nothing in a network of another kind."""
    found: list[Group] = []
    maker: Weighted | None = None
    followers: list[nn.Module] = []
    for layer in network if isinstance(network, nn.Sequential) else ():
        if isinstance(layer, nn.BatchNorm2d) or _is_depthwise(layer):
            followers.append(layer)
        elif isinstance(layer, Weighted):
            if maker is not None:
                found.append(Group(maker, tuple(followers), layer))
            maker, followers = layer, []
        elif not isinstance(layer, _KEEPS_CHANNELS):
            found += groups(layer.body) if isinstance(layer, Residual) else []
            maker, followers = None, []
    return found


def _is_depthwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def _check_chain(network: nn.Module, input_shape: Shape) -> None:
    """Compare with a copy in which the same channels are there and unread: of one's own student nothing is known."""
    try:
        smaller, kept = _cut(network, 0.5, 1)
        inputs = torch.rand(2, *input_shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            same = torch.allclose(smaller.eval()(inputs), _unread(network, kept).eval()(inputs), rtol=1e-3, atol=1e-4)
    except (RuntimeError, IndexError):  # sizes that do not fit
        same = False
    if not same:
        raise BadOrder(
            "compress.prune: the layers of this student cannot lose channels: want an nn.Sequential in which each "
            "reads what the one before it makes, or 0"
        )


def _cut(network: nn.Module, share: float, block: int) -> tuple[nn.Module, list[Tensor]]:
    """A copy in which each group keeps about `share` of its channels, and which they are.

    Whole blocks, where there are two or more.
    """
    smaller, all_kept = copy.deepcopy(network), []
    for group in groups(smaller):
        norms = _norms(group)
        step = block if len(norms) >= 2 * block else 1
        count = min(len(norms), step * max(1, round(share * len(norms) / step)))
        kept = norms.topk(count).indices.sort().values
        _keep_inputs(group.reader, kept, len(norms))
        for layer in (group.maker, *group.followers):
            _keep_outputs(layer, kept)
        all_kept.append(kept)
    return smaller, all_kept


def _unread(network: nn.Module, all_kept: list[Tensor]) -> nn.Module:
    """A copy in which each group's other channels are made as ever, and multiplied by zero where they are read."""
    whole = copy.deepcopy(network)
    for group, kept in zip(groups(whole), all_kept, strict=True):
        gone = torch.ones(len(group.maker.weight), dtype=torch.bool)
        gone[kept] = False
        torch.unflatten(group.reader.weight.detach(), 1, (len(gone), -1))[:, gone] = 0
    return whole


def _norms(group: Group) -> Tensor:
    """The L1 norm of each channel's filter, with the factor that the batch norm right behind it gives it."""
    norms = group.maker.weight.detach().abs().flatten(1).sum(dim=1)
    first = next(iter(group.followers), None)
    if isinstance(first, nn.BatchNorm2d) and first.running_var is not None:
        norms = norms * first.weight.detach().abs() / (first.running_var + first.eps).sqrt()
    return norms


def _keep_outputs(layer: nn.Module, kept: Tensor) -> None:
    for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
        if tensor.ndim:  # a batch norm counts its batches in a scalar
            _replace(layer, name, tensor[kept])
    if isinstance(layer, nn.BatchNorm2d):
        layer.num_features = len(kept)
    elif isinstance(layer, nn.Linear):
        layer.out_features = len(kept)
    elif isinstance(layer, nn.Conv2d):
        if _is_depthwise(layer):
            layer.in_channels = layer.groups = len(kept)
        layer.out_channels = len(kept)


def _keep_inputs(layer: Weighted, kept: Tensor, channels: int) -> None:
    """A flattened image has several inputs of a dense layer for each channel, one behind the other."""
    weight = torch.unflatten(layer.weight, 1, (channels, -1))[:, kept].flatten(1, 2)
    _replace(layer, "weight", weight)
    if isinstance(layer, nn.Linear):
        layer.in_features = weight.shape[1]
    else:
        layer.in_channels = weight.shape[1]


def _replace(layer: nn.Module, name: str, value: Tensor) -> None:
    value = value.detach().clone()
    setattr(layer, name, nn.Parameter(value) if isinstance(getattr(layer, name), nn.Parameter) else value)
