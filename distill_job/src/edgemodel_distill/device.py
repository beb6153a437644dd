"""Where a student is trained: on the GPU where there is one, in mixed precision there."""

from contextlib import AbstractContextManager

import torch
from torch import nn


def best(worker: int = 0) -> torch.device:
    """The GPU that PyTorch can use, else the CPU; of several GPUs each worker on the machine has its own."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", worker % torch.cuda.device_count())


def take(worker: int) -> torch.device:
    """The best one, made PyTorch's own: what asks without naming one would wake the first GPU for every worker."""
    where = best(worker)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    return where


def identity(worker: int) -> str:
    """Of the worker's GPU, among all machines; empty where it has none."""
    where = best(worker)
    return str(torch.cuda.get_device_properties(where).uuid) if where.type == "cuda" else ""


def of(network: nn.Module) -> torch.device:
    """Where the network's weights lie."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def mixed_precision(where: torch.device) -> AbstractContextManager[object]:
    """On a GPU the forward pass in bfloat16, which needs no scaling of the loss; everything in float32 elsewhere.

    GPUs before NVIDIA's Ampere emulate it, slowly, and their convolutions may not have it.
    """
    able = where.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(where.type, torch.bfloat16, enabled=able)
