"""Artifacts that are made in a second and still tell a good student from a bad one.

Points of the plane, four classes: the quadrants. The teacher is exact by construction; edge samples lie farther out
than the labelled ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgemodel.bundle import Card, Tensor
from edgemodel.distillation import Order
from edgemodel.outcome import Outcome
from edgemodel_distill import job
from edgemodel_distill.progress import DataReport, EpochReport
from edgemodel_registry import Client, write_bundle, write_dataset, write_samples
from edgemodel_registry.arrays import Array
from edgemodel_registry.signing import SigningKey
from tests.unit.registry.real_registry import RealRegistry

CORNERS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], np.float32)
LABELS = ("north-east", "north-west", "south-west", "south-east")
GONE = "sha256:" + "0" * 64
"""A digest that no artifact has."""


@dataclass(frozen=True)
class World:
    """Where the artifacts are, and the plainest order that uses them."""

    folder: Path
    registry: RealRegistry
    order: Mapping[str, Any]

    def change(self, **fields: Any) -> Order:
        """The order with other fields (wire names); None takes one away."""
        merged = {**self.order, **fields}
        return Order.model_validate({name: value for name, value in merged.items() if value is not None})

    def artifact(self, name: str, digest: str) -> dict[str, str]:
        """A source for the artifact folder `name`."""
        return {"uri": f"file://{self.folder / name}", "digest": digest}

    def repository(self, name: str) -> str:
        """Address of a repository in the registry."""
        return self.registry.uri(name)

    def manifests(self, repository: str) -> list[Path]:
        """What the registry keeps of manifests under that name: empty when nothing was pushed."""
        return list(self.registry.folder.glob(f"data/docker/registry/v2/repositories/{repository}/_manifests/**/link"))


class Quiet:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.epochs: list[EpochReport] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def data(self, report: DataReport) -> None:
        self.data_report = report

    def epoch(self, report: EpochReport) -> None:
        self.epochs.append(report)


def make_world(folder: Path, registry: RealRegistry) -> World:
    """Write teacher, data set and parent as folders, and push edge samples."""
    random = np.random.default_rng(0)
    inputs = random.uniform(-1, 1, (400, 2)).astype(np.float32)
    client, sink = Client(), registry.uri("world-samples")
    for node in ("one", "two"):
        far = random.uniform(-3, 3, (100, 2)).astype(np.float32)
        write_samples(folder / f"samples-{node}", "hard", far, np.zeros(100, np.float32))
        client.push(folder / f"samples-{node}", sink, [node])
    order = {
        "name": "v2",
        "teacher": _source(folder / "teacher", write_linear(folder / "teacher", sharpness=6.0)),
        "dataset": _source(folder / "dataset", write_dataset(folder / "dataset", "points", inputs, quadrant(inputs))),
        "parent": _source(folder / "parent", write_linear(folder / "parent", sharpness=1.0)),
        "samples": {"sink": sink, "tags": ["one", "two", "three"]},
        "student": {"architecture": "mlp", "width": 8},
        "epochs": 8,
        "learningRate": 0.05,
        "batchSize": 32,
        "gates": {"minAccuracy": 0.9, "maxAccuracyDrop": 0.1, "maxLatencyRatio": 50},
        "push": registry.uri("world"),
    }
    return World(folder, registry, order)


def quadrant(points: Array) -> Array:
    """Class numbers of points."""
    return np.argmax(points @ CORNERS.T, axis=1).astype(np.int64)


def write_linear(folder: Path, *, sharpness: float, classes: int = 4, kind: str = "logits", features: int = 2) -> str:
    """A bundle that is right about every point: scores are `sharpness` times the closeness to each corner."""
    weights = np.zeros((features, classes), np.float32)
    weights[:2, :4] = sharpness * CORNERS.T
    nodes = [helper.make_node("MatMul", ["x", "w"], ["scores" if kind == "probabilities" else "y"])]
    if kind == "probabilities":
        nodes.append(helper.make_node("Softmax", ["scores"], ["y"], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", classes])],
        [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    card = Card(
        name=folder.name,
        inputs=(Tensor(name="x", datatype="FP32", shape=(-1, features)),),
        outputs=(Tensor(name="y", datatype="FP32", shape=(-1, classes)),),
        labels=LABELS[:classes],
        output_kind=kind,
        input_scale=2.0,
    )
    golden = {"input:x": np.zeros((1, features), np.float32), "output:y": np.zeros((1, classes), np.float32)}
    return write_bundle(folder, card, model.SerializeToString(), golden)


def distil(order: Order, work: Path, key: SigningKey | None = None) -> tuple[Outcome, Quiet]:
    """Run the Job in this process."""
    watch = Quiet()
    return job.run(order, Client(), work, watch, key=key), watch


def _source(folder: Path, digest: str) -> dict[str, str]:
    return {"uri": f"file://{folder}", "digest": digest}
