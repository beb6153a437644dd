"""Trains the benchmarks' teachers: `python -m tests.bench.distillation.teacher teacher.onnx`.

With `--drifted-from plain.safetensors` that network is hardened on drifted images as well.
"""

import argparse
import sys
import time
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

EPOCHS, BATCH, RATE = 10, 128, 0.2
HARDENING_EPOCHS, HARDENING_IMAGES, HARDENING_RATE = 2, 20_000, 0.05
MOMENTUM, DECAY, SMOOTHING = 0.9, 5e-4, 0.05
WARM_UP = 0.2


class Residual(nn.Module):
    """The input and what two convolutions make of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_block(channels, channels), *_block(channels, channels))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.body(images)


def network() -> nn.Sequential:
    """427,000 weights, 29 million multiplications an image."""
    return nn.Sequential(
        *_block(1, 32),
        nn.MaxPool2d(2),
        *_block(32, 64),
        *_block(64, 64),
        nn.MaxPool2d(2),
        *_block(64, 128),
        Residual(128),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(128, fashion.CLASSES),
    )


def train(student: nn.Module, data: Labelled, epochs: int, drifted: Floats | None, checkpoint: Path) -> None:
    """SGD with one triangle of the learning rate; half of each batch is drifted where there are such images."""
    random = np.random.default_rng(0)
    rate = RATE if drifted is None else HARDENING_RATE
    optimizer = torch.optim.SGD(student.parameters(), rate, MOMENTUM, weight_decay=DECAY, nesterov=True)
    steps = len(data) // BATCH
    done = _resume(student, checkpoint)
    for epoch in range(done, epochs):
        student.train()
        began, total = time.monotonic(), 0.0
        for step, rows in enumerate(np.array_split(random.permutation(len(data)), steps)):
            share = (epoch + step / steps) / epochs
            optimizer.param_groups[0]["lr"] = rate * min(share / WARM_UP, (1 - share) / (1 - WARM_UP))
            images = augment.erase(augment.flip(augment.shift(data.inputs[rows], 2, random), random), 8, random)
            if drifted is not None:
                half = len(rows) // 2
                images[:half] = drifted[rows[:half]]
            logits = student(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
            labels = torch.from_numpy(data.labels[rows])
            loss = functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.monotonic() - began:.0f} s", flush=True)
        weights = {name: tensor.contiguous() for name, tensor in student.state_dict().items()}
        safetensors.torch.save_file(weights, checkpoint, {"epoch": str(epoch + 1)})


def _resume(student: nn.Module, checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    with safetensors.safe_open(checkpoint, "pt") as file:
        done = int(file.metadata()["epoch"])
    student.load_state_dict(safetensors.torch.load_file(checkpoint))
    return done


def _block(channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()


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
    data, checkpoint = fashion.train_set(), asked.onnx.with_suffix(".safetensors")
    drifted = None
    if asked.drifted_from is not None:
        student.load_state_dict(safetensors.torch.load_file(asked.drifted_from))
        data = data.where(np.arange(len(data)) < HARDENING_IMAGES)
        drifted = fashion.drift(data.inputs, seed=1)
    train(student, data, asked.epochs or (EPOCHS if drifted is None else HARDENING_EPOCHS), drifted, checkpoint)
    asked.onnx.write_bytes(export.to_onnx(student.to(memory_format=torch.contiguous_format), fashion.SHAPE))
    test = fashion.test_set()
    print(f"test accuracy {measure.accuracy(predict(student, test.inputs), test.labels):.4f}")
    drifted_test = predict(student, fashion.drift(test.inputs, seed=2))
    print(f"drifted test accuracy {measure.accuracy(drifted_test, test.labels):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
