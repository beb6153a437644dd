"""Trains the benchmarks' teachers: `python -m tests.bench.distillation.teacher teacher.onnx`.

With `--drifted-from plain.safetensors` that network is hardened on drifted images as well. The last 5,000 training
images are held out: what is tried here is judged by them, and the test set is asked once, at the end.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgemodel_distill import augment, export, measure
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.train import predict
from tests.bench.distillation import fashion

HELD_OUT = 5_000
EPOCHS, RATE = 16, 0.2
HARDENING_EPOCHS, HARDENING_RATE = 4, 0.05
BATCH, MOMENTUM, DECAY = 128, 0.9, 5e-4
WARM_UP = 0.2
SHIFT = 2


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is trained on, and for how long."""

    data: Labelled
    epochs: int
    rate: float
    drifted: Floats | None = None
    """The same images drifted: half of each batch is of them."""


class Residual(nn.Module):
    """The input and what two convolutions make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_block(channels, channels), *_block(channels, channels))

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return images + self.body(images)


def network() -> nn.Sequential:
    """505,000 weights, 19 million multiplications an image.

    A ResNet-9 (Page, How to train your ResNet, 2018), narrowed, and pooled before batch norm and ReLU, which then have
    a quarter of the values to go over: on a CPU they cost as much as the convolutions.
    """
    return nn.Sequential(
        *_block(1, 32, pool=True),  # (N, 32, 14, 14)
        *_block(32, 48),
        *_block(48, 64, pool=True),  # (N, 64, 7, 7)
        *_block(64, 96),
        *_block(96, 128, pool=True),  # (N, 128, 3, 3)
        Residual(128),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(128, fashion.CLASSES),
    )


def train(student: nn.Module, lesson: Lesson, held_out: Labelled, checkpoint: Path) -> None:
    """SGD with one triangle of the learning rate; goes on after the last epoch that `checkpoint` has.

    Labels are not smoothed: that blurs what a teacher has to say of the other classes (Müller et al., When does label
    smoothing help?, 2019).
    """
    optimizer = torch.optim.SGD(student.parameters(), lesson.rate, MOMENTUM, weight_decay=DECAY, nesterov=True)
    for epoch in range(_resume(student, checkpoint), lesson.epochs):
        began = time.monotonic()
        loss = _epoch(student, lesson, optimizer, epoch)
        told = measure.accuracy(predict(student, held_out.inputs), held_out.labels)
        taken = time.monotonic() - began
        print(f"epoch {epoch + 1}: loss {loss:.4f}, held-out accuracy {told:.4f}, {taken:.0f} s", flush=True)
        weights = {name: tensor.contiguous() for name, tensor in student.state_dict().items()}
        safetensors.torch.save_file(weights, checkpoint, {"epoch": str(epoch + 1)})


def _epoch(student: nn.Module, lesson: Lesson, optimizer: torch.optim.Optimizer, epoch: int) -> float:
    """One pass; returns its mean loss."""
    student.train()
    random = np.random.default_rng((0, epoch))
    steps, total = len(lesson.data) // BATCH, 0.0
    for step, rows in enumerate(np.array_split(random.permutation(len(lesson.data)), steps)):
        done = (epoch + step / steps) / lesson.epochs
        optimizer.param_groups[0]["lr"] = lesson.rate * min(done / WARM_UP, (1 - done) / (1 - WARM_UP))
        images = augment.flip(augment.shift(lesson.data.inputs[rows], SHIFT, random), random)
        if lesson.drifted is not None:
            half = len(rows) // 2
            images[:half] = lesson.drifted[rows[:half]]
        logits = student(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
        labels = torch.from_numpy(lesson.data.labels[rows])
        loss = functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / steps


def _resume(student: nn.Module, checkpoint: Path) -> int:
    """The epochs that are done."""
    if not checkpoint.exists():
        return 0
    with safetensors.safe_open(checkpoint, "pt") as file:
        done = int(file.metadata()["epoch"])
    student.load_state_dict(safetensors.torch.load_file(checkpoint))
    return done


def _block(channels: int, width: int, *, pool: bool = False) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    pooled = (nn.MaxPool2d(2),) if pool else ()
    return convolution, *pooled, nn.BatchNorm2d(width), nn.ReLU()


def main() -> int:
    """Train, export, and say what it is worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--drifted-from", type=Path, metavar="SAFETENSORS")
    parser.add_argument("--epochs", type=int, help=f"default: {EPOCHS}, to harden {HARDENING_EPOCHS}")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    student = network().to(memory_format=torch.channels_last)
    known, checkpoint = fashion.train_set(), asked.onnx.with_suffix(".safetensors")
    ours = np.arange(len(known)) < len(known) - HELD_OUT
    lesson = Lesson(known.where(ours), asked.epochs or EPOCHS, rate=RATE)
    if asked.drifted_from is not None:
        student.load_state_dict(safetensors.torch.load_file(asked.drifted_from))
        drifted = fashion.drift(lesson.data.inputs, seed=1)
        lesson = Lesson(lesson.data, asked.epochs or HARDENING_EPOCHS, rate=HARDENING_RATE, drifted=drifted)
    train(student, lesson, known.where(~ours), checkpoint)
    asked.onnx.write_bytes(export.to_onnx(student.to(memory_format=torch.contiguous_format), fashion.SHAPE))
    test = fashion.test_set()
    print(f"test accuracy {measure.accuracy(predict(student, test.inputs), test.labels):.4f}")
    drifted_test = predict(student, fashion.drift(test.inputs, seed=2))
    print(f"drifted test accuracy {measure.accuracy(drifted_test, test.labels):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
