"""Tiny models: logits = x @ weights, as bundles in folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgemodel.bundle import Card, Tensor
from edgemodel.wish import Artifact, Assignment, Wish
from edgemodel_registry import write_bundle

Array = NDArray[Any]

CLASSES = 3
SHAPE = (1, 2, 2)
CARD = Card(
    name="tiny",
    inputs=(Tensor(name="x", datatype="FP32", shape=(-1, *SHAPE)),),
    outputs=(Tensor(name="logits", datatype="FP32", shape=(-1, CLASSES)),),
    labels=("a", "b", "c"),
)
ONE = np.array([[[[0.1, 0.2], [0.3, 0.4]]]], dtype=np.float32)


def weights(scale: float) -> Array:
    """Weights whose logits grow with `scale`: large is sure of itself, zero knows nothing."""
    return (np.random.default_rng(1).normal(size=(4, CLASSES)) * scale).astype(np.float32)


def graph(matrix: Array, shape: tuple[int, ...] = SHAPE) -> bytes:
    """The ONNX file of logits = flatten(x) @ matrix, for inputs of `shape`."""
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", matrix.shape[1]])]
    proto = helper.make_graph(nodes, "tiny", inputs, outputs, [numpy_helper.from_array(matrix, "w")])
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def golden(matrix: Array) -> Mapping[str, Array]:
    """Two golden samples and their logits."""
    x = np.random.default_rng(2).random((2, *SHAPE), dtype=np.float32)
    return {"input:x": x, "output:logits": x.reshape(2, 4) @ matrix}


def bundle(folder: Path, name: str, scale: float = 4.0, **other: Any) -> Artifact:
    """A bundle ``folder/name``; `other` replaces arguments of `write_bundle`."""
    matrix = weights(scale)
    arguments = {"card": CARD, "model": graph(matrix), "golden": golden(matrix), **other}
    digest = write_bundle(folder / name, **arguments)
    return Artifact(name=name, uri=f"file://{folder / name}", digest=digest)


def wish(active: Artifact, backup: Artifact | None = None, revision: int = 1, **other: Any) -> Wish:
    """A wish for every node."""
    default = Assignment(active=active, backup=backup)
    arguments = {"namespace": "plant-a", "model": "tiny", "interval": 0.1, "default": default, **other}
    return Wish(revision=revision, **arguments)
