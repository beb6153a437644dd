"""The student zoo: small networks, shaped by the teacher's input and number of classes."""

from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from edgemodel.distillation import Architecture

Shape = tuple[int, ...]

_LARGE_IMAGE = 16
"""From this side on the first convolution halves the image: the stem is where the time goes."""


def build(architecture: Architecture, width: int, input_shape: Shape, classes: int) -> nn.Module:
    """A fresh student from inputs (batch, *input_shape) to logits (batch, classes).

    Weights come from PyTorch's global generator: seed it first.

    Raises:
        ValueError: tiny-cnn, and the input is not an image (channels, height, width).
    """
    match architecture:
        case "mlp":
            return _mlp(width, input_shape, classes)
        case "tiny-cnn":
            return _tiny_cnn(width, input_shape, classes)


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


def _mlp(width: int, input_shape: Shape, classes: int) -> nn.Module:
    features = 1
    for side in input_shape:
        features *= side
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), nn.Linear(width, classes))


def _tiny_cnn(width: int, input_shape: Shape, classes: int) -> nn.Module:
    if len(input_shape) != 3:  # noqa: PLR2004 (channels, height, width)
        raise ValueError(f"tiny-cnn wants images (channels, height, width), and the input is {input_shape}; take mlp")
    channels, *sides = input_shape
    stem = 2 if min(sides) >= _LARGE_IMAGE else 1
    blocks = (  # (N, C, H, W) -> (N, w, H/stem, W/stem) -> (N, 2w, …/2) -> (N, 4w, …/4)
        *_block(channels, width, stem),
        *_block(width, 2 * width, 2),
        *_block(2 * width, 4 * width, 2),
    )
    sides = [-(-side // (stem * 4)) for side in sides]  # each stride rounds up
    pool = (max(1, sides[0] // 2), max(1, sides[1] // 2))
    features = 4 * width * (sides[0] // pool[0]) * (sides[1] // pool[1])
    head = (
        nn.AvgPool2d(pool),  # (N, 4w, 2, 2) for most sizes: enough to tell top from bottom and left from right
        nn.Flatten(),
        nn.Linear(features, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, classes),
    )
    return nn.Sequential(*blocks, *head)


def _block(channels: int, width: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()
