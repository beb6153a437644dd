"""A user's model, and the command as a user runs it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemodel_cli.__main__ import main
from tests.unit.registry.real_registry import RealRegistry, run_registry

CLASSES = ",".join(map(str, range(10)))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def build_model(
    *, softmax: bool = False, shape: tuple[object, ...] = ("N", 1, 8, 8), bias: float = 0.0
) -> onnx.ModelProto:
    """Digits' shape in, ten scores out."""
    weights = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits" if softmax else "scores"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.float32(bias), "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(build_model(), tmp_path / "digits.onnx")
    return tmp_path / "digits.onnx"


@pytest.fixture
def edgemodel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., "Ended"]:
    """Runs one command line in this process and tells how it ended."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["edgemodel", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert not isinstance(ended.value.code, str)
        return Ended(ended.value.code or 0, out, err)

    return run


class Ended:
    """Exit code and both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
