"""Where a student is trained: on the GPU where there is one, in mixed precision there."""

from contextlib import AbstractContextManager

import torch
from torch import nn


def best(worker: int = 0) -> torch.device:
    """The GPU that PyTorch can use, else the CPU; of several GPUs each worker on the machine has its own."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", worker % torch.cuda.device_count())


def of(network: nn.Module) -> torch.device:
    """Where the network's weights lie."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def mixed_precision() -> AbstractContextManager[object]:
    """On a GPU the forward pass in bfloat16, which needs no scaling of the loss; on the CPU everything in float32."""
    where = best().type
    return torch.autocast(where, torch.bfloat16, enabled=where == "cuda")
