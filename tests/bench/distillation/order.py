"""What is to be run, how long it takes, and one part of it as a process runs it."""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from edgemodel.distillation import Augment, Method
from tests.bench.distillation import scenes
from tests.bench.distillation.ground import Asked, Ground, OfAll, Scale
from tests.bench.distillation.kept import Kept, key

KEPT = Path("build/bench/distill")
QUICK = Scale(low_epochs=60, all_epochs=5, heal_epochs=10, heal_samples=(500,))
FULL = Scale(
    low_epochs=120,
    all_epochs=30,
    heal_epochs=20,
    heal_samples=(100, 500, 2000),
    of_all=OfAll(learning_rate=0.008, method=Method(warm_up=0.1, augment=Augment(flip=True, noise=0))),
)


@dataclass(frozen=True)
class Order:
    """What is to be run."""

    teachers: Path
    quick: bool

    @property
    def scale(self) -> Scale:
        """How long the trainings are."""
        return QUICK if self.quick else FULL

    @property
    def kept(self) -> Kept:
        """Where its results are kept."""
        models = [file.read_bytes() for file in sorted(self.teachers.glob("*.onnx"))]
        name = "quick" if self.quick else "full"
        return Kept(KEPT / f"{name}-{key([self.scale, torch.__version__, *models])}")


def run(order: Order, scene: str, seed: int) -> None:
    """One scene with one seed."""
    began = time.monotonic()
    rights = getattr(scenes, scene)(ground(order), seed)
    order.kept.keep(scene, seed, rights, time.monotonic() - began)


@cache
def ground(order: Order) -> Ground:
    """What the scenes stand on; each process has its own."""
    plain, hardened = (Asked(order.teachers / name) for name in ("teacher.onnx", "hardened.onnx"))
    return Ground(plain, hardened, order.scale, order.kept)
