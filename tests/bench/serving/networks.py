"""The models of the benchmark, made here: random weights do for measuring time."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgemodel.bundle import Card, Tensor
from edgemodel_registry import write_bundle

Array = NDArray[Any]

SMALL, WIDE = (784, 128, 10), (784, 1200, 1200, 10)
"""The perceptron of the tables, and one whose weights (9.6 MB) do not fit the caches of a core."""


def perceptron(sizes: tuple[int, ...], seed: int = 0) -> bytes:
    """Dense layers with rectifiers between them."""
    rng = np.random.default_rng(seed)
    nodes, weights, value = [], [], "x"
    for layer, (rows, columns) in enumerate(itertools.pairwise(sizes)):
        last = layer == len(sizes) - 2
        matrix = rng.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)
        weights += [numpy_helper.from_array(matrix, f"w{layer}")]
        weights += [numpy_helper.from_array(np.zeros(columns, np.float32), f"b{layer}")]
        nodes.append(helper.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], ["y" if last else f"h{layer}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"h{layer}"], [f"r{layer}"]))
        value = f"r{layer}"
    return model_of(nodes, weights, ["n", sizes[0]], sizes[-1])


def convolution() -> bytes:
    """A small convolution over 28x28 pictures given as rows of 784."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(np.array([-1, 1, 28, 28]), "square"),
        numpy_helper.from_array(rng.normal(0, 0.1, (16, 1, 3, 3)).astype(np.float32), "k0"),
        numpy_helper.from_array(rng.normal(0, 0.1, (32, 16, 3, 3)).astype(np.float32), "k1"),
        numpy_helper.from_array(rng.normal(0, 0.1, (32, 10)).astype(np.float32), "w"),
    ]
    nodes = [
        helper.make_node("Reshape", ["x", "square"], ["image"]),
        helper.make_node("Conv", ["image", "k0"], ["c0"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "k1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    return model_of(nodes, weights, ["n", 784], 10)


def bundle(folder: Path, name: str, model: bytes) -> Path:
    """`model` as a bundle in ``folder/name``."""
    tensors = [Tensor(name="x", datatype="FP32", shape=(-1, 784)), Tensor(name="y", datatype="FP32", shape=(-1, 10))]
    card = Card(name=name, inputs=(tensors[0],), outputs=(tensors[1],))
    x = row(4)
    golden: Mapping[str, Array] = {"input:x": x, "output:y": run(model, x)}
    write_bundle(folder / name, card, model, golden)
    return folder / name


def row(count: int = 1) -> Array:
    """Pictures as rows (count, 784)."""
    return np.random.default_rng(1).random((count, 784), dtype=np.float32)


def run(model: bytes, x: Array) -> Array:
    """What ONNX Runtime itself answers."""
    import onnxruntime  # noqa: PLC0415 (slow to import, and not always needed)

    output: Array = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    return output


def model_of(nodes: list[Any], weights: list[Any], shape: list[Any], classes: int) -> bytes:
    """A graph from ``x`` of `shape` to ``y`` (n, classes)."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes])]
    graph = helper.make_graph(nodes, "bench", inputs, outputs, weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(proto.SerializeToString())


def switch(link: Path, target: str) -> None:
    """Point `link` to its neighbour `target`, in one step."""
    new = link.with_name(f"{link.name}.new")
    new.symlink_to(target)
    new.replace(link)
