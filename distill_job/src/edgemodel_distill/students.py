"""A student by name or import path; its weights in and out."""

from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from edgemodel.bundle import Card
from edgemodel.distillation import Student
from edgemodel_distill import own
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.zoo import ZOO, Shape


def build(architecture: str, width: int, input_shape: Shape, classes: int) -> nn.Module:
    """A fresh student from inputs (batch, *input_shape) to logits (batch, classes).

    Weights come from PyTorch's global generator: seed it first.

    Raises:
        BadOrder: it does not take such inputs; one's own does not import, or is no such network.
    """
    if own.is_own(architecture):
        return own.build(architecture, width, input_shape, classes)
    try:
        return ZOO[architecture](width, input_shape, classes)
    except ValueError as error:
        raise BadOrder(f"student.architecture: {architecture}: {error}") from error


def weights(student: nn.Module) -> bytes:
    """The student's weights as safetensors; equal weights give equal bytes."""
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in student.state_dict().items()})


def may_start_from(student: Student, parent: Card) -> bool:
    """Whether `parent` says nothing of another architecture or width: other functions may have weights alike."""
    told = parent.lineage.config or {}
    ours = {"architecture": student.architecture, "width": student.width}
    return all(told.get(name, value) == value for name, value in ours.items())


def warm_start(student: nn.Module, path: Path) -> bool:
    """Take over the weights in `path` where names and shapes are the student's own; return whether that was so."""
    try:
        known = safetensors.torch.load_file(path)
    except (FileNotFoundError, safetensors.SafetensorError):
        return False
    own = student.state_dict()
    if {n: (t.shape, t.dtype) for n, t in known.items()} != {n: (t.shape, t.dtype) for n, t in own.items()}:
        return False
    student.load_state_dict(known)
    return True
