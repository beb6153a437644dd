"""A model that answers each input as it came, of every datatype that the protocol's clients send."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from edgemodel.bundle import Card, Tensor
from edgemodel_inference.model.models import Model, open_model
from tests.unit.inference_pod.tiny_bundles import bundle

VALUES: dict[str, tuple[int, Any]] = {
    "FP32": (TensorProto.FLOAT, np.array([[1.5, -2.25]], np.float32)),
    "FP16": (TensorProto.FLOAT16, np.array([[1.5, -2.25]], np.float16)),
    "INT8": (TensorProto.INT8, np.array([[-128, 127]], np.int8)),
    "UINT8": (TensorProto.UINT8, np.array([[0, 255]], np.uint8)),
    "INT32": (TensorProto.INT32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "INT64": (TensorProto.INT64, np.array([[-(2**63), 2**63 - 1]], np.int64)),
    "BOOL": (TensorProto.BOOL, np.array([[True, False]], np.bool_)),
    "BYTES": (TensorProto.STRING, np.array([["grüße", ""]], np.object_)),
}
"""One input of each datatype."""


def echo_bundle(folder: Path, names: Iterable[str] = tuple(VALUES)) -> Model:
    """out_T = in_T for every datatype in `names`, as the bundle ``folder/v1``, and opened."""
    names = list(names)
    card = Card(
        name="echo",
        inputs=tuple(Tensor(name=f"in_{name}", datatype=name, shape=(-1, 2)) for name in names),
        outputs=tuple(Tensor(name=f"out_{name}", datatype=name, shape=(-1, 2)) for name in names),
        output_kind="other",
    )
    golden = {}
    for name in names:
        value = VALUES[name][1]
        golden[f"input:in_{name}"] = golden[f"output:out_{name}"] = value.astype("U5") if name == "BYTES" else value
    artifact = bundle(folder, "v1", card=card, model=_graph(names), golden=golden)
    return open_model(folder / "v1", artifact, threads=1)


def _graph(names: list[str]) -> bytes:
    nodes = [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in names]
    ends = [
        [helper.make_tensor_value_info(f"{end}_{name}", VALUES[name][0], ["n", 2]) for name in names]
        for end in ("in", "out")
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "echo", *ends), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return bytes(model.SerializeToString())
