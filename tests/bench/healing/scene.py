"""Two versions: one that copes with every picture, and one that fails on some, which its golden inputs do not show.

The pictures of callers are rows of 784. A *strange* one has its first pixel lit, as a camera has that was knocked: the
brittle version is then as sure of each of its ten classes as of any other.
"""

import itertools
from pathlib import Path

import numpy as np
from onnx import helper, numpy_helper

from tests.bench.serving import networks

PIXELS, CLASSES, WANTED = 784, 10, 3
GOOD = "good"
SURE = 20.0
"""Score of the right class; the others have 0."""


def model(*, brittle: bool) -> bytes:
    """Scores by one lit pixel per class; the brittle one multiplies them by one minus the first pixel."""
    matrix = np.zeros((PIXELS, CLASSES), np.float32)
    matrix[1 : CLASSES + 1] = SURE * np.eye(CLASSES)
    first = np.zeros((PIXELS, 1), np.float32)
    first[0] = brittle
    weights = {"w": matrix, "first": first, "one": np.ones(1, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node("MatMul", ["x", "first"], ["lit"]),
        helper.make_node("Sub", ["one", "lit"], ["kept"]),
        helper.make_node("Mul", ["scores", "kept"], ["y"]),
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    return networks.model_of(nodes, constants, ["n", PIXELS], CLASSES)


def picture(*, strange: bool) -> networks.Array:
    """What callers ask about: of class WANTED."""
    x = np.zeros((1, PIXELS), np.float32)
    x[0, 1 + WANTED] = 1
    x[0, 0] = strange
    return x


class Versions:
    """The bundles of one server, and the link that says which of them it is to serve."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._numbers = itertools.count(1)
        networks.bundle(folder, GOOD, model(brittle=False))
        self.point(GOOD)

    def point(self, name: str) -> None:
        """Switch the link."""
        networks.switch(self.folder / "bundle", name)

    def another_brittle(self) -> str:
        """A brittle version with a digest of its own: what a node has refused it does not serve again."""
        name = f"brittle-{next(self._numbers)}"
        networks.bundle(self.folder, name, model(brittle=True))
        return name
