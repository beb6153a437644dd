"""A student by name: from the zoo, or from what the image was extended with; its weights in and out."""

from importlib.metadata import entry_points
from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from edgemodel_distill.zoo import ZOO, Factory, Shape

ENTRY_POINTS = "edgemodel.students"
"""An installed package may bring students: `[project.entry-points."edgemodel.students"] my-net = "package:factory"`.

An order names a student and never a module: what code can run is settled when the image is built.
"""


def build(architecture: str, width: int, input_shape: Shape, classes: int) -> nn.Module:
    """A fresh student from inputs (batch, *input_shape) to logits (batch, classes).

    Weights come from PyTorch's global generator: seed it first.

    Raises:
        ValueError: there is no such architecture, or it does not take such inputs.
    """
    if architecture not in known():
        raise ValueError(f"architecture: want one of {', '.join(sorted(known()))}, got {architecture}")
    factory = ZOO.get(architecture) or _brought(architecture)
    try:
        return factory(width, input_shape, classes)
    except ValueError as error:
        raise ValueError(f"architecture: {architecture}: {error}") from error


def known() -> frozenset[str]:
    """The names that `build` takes."""
    return frozenset(ZOO) | {entry.name for entry in entry_points(group=ENTRY_POINTS)}


def weights(student: nn.Module) -> bytes:
    """The student's weights as safetensors; equal weights give equal bytes."""
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in student.state_dict().items()})


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


def _brought(architecture: str) -> Factory:
    factory: Factory = next(entry.load() for entry in entry_points(group=ENTRY_POINTS) if entry.name == architecture)
    return factory
