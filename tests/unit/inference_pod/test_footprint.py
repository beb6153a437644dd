"""What the whole server takes of a small machine's memory, with all that people may ask of it."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from edgemodel.bundle import Card, Tensor
from tests.unit.inference_pod.live_pod import ask, serving
from tests.unit.inference_pod.tiny_bundles import bundle

MIB = 1 << 20
PROMISED_MIB = 130
SHAPE, HIDDEN, CLASSES = (1, 28, 28), 315, 10


def megabyte() -> tuple[bytes, dict[str, Any]]:
    """A perceptron for pictures whose file has a megabyte, and its golden sample."""
    random = np.random.default_rng(0)
    first, second = (
        random.normal(0, 0.05, shape).astype(np.float32) for shape in ((28 * 28, HIDDEN), (HIDDEN, CLASSES))
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "megabyte",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = random.random((1, *SHAPE), dtype=np.float32)
    logits = np.maximum(x.reshape(1, -1) @ first, 0) @ second
    return bytes(model.SerializeToString()), {"input:x": x, "output:logits": logits}


def picture(width: int, height: int, kind: str) -> bytes:
    """A picture of noise, which compresses worst."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def test_the_server_stays_within_what_is_promised_when_pages_were_shown_and_pictures_decoded(tmp_path: Path) -> None:
    model, golden = megabyte()
    card = Card(
        name="tiny",
        inputs=(Tensor(name="x", datatype="FP32", shape=(-1, *SHAPE)),),
        outputs=(Tensor(name="logits", datatype="FP32", shape=(-1, CLASSES)),),
    )
    bundle(tmp_path, "v1", card=card, model=model, golden=golden)
    with serving(tmp_path, "--bundle", str(tmp_path / "v1")) as pod:
        for path in ("/", "/docs", "/swagger-ui-bundle.js", "/openapi.json", "/card"):
            assert ask(pod.port, "GET", path)[0] == 200
        row = json.dumps({"input": golden["input:x"][0].tolist()})
        assert ask(pod.port, "POST", "/predict", row, content_type="application/json")[0] == 200
        for size, kind in (((28, 28), "PNG"), ((1000, 1000), "JPEG"), ((4000, 3000), "JPEG"), ((28, 28), "PNG")):
            body = picture(*size, kind)
            assert ask(pod.port, "POST", "/predict", body, content_type=f"image/{kind.lower()}")[0] == 200
        assert pod.process is not None
        family = [psutil.Process(pod.process.pid)]
        family += family[0].children(recursive=True)
        assert sum(each.memory_info().rss for each in family) < PROMISED_MIB * MIB
