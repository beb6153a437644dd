"""A user's ONNX file: what it eats and answers, and running it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx.external_data_helper import uses_external_data

from edgemodel.bundle import Tensor
from edgemodel_cli.errors import BadInput

Array = NDArray[Any]

_DATATYPES: Mapping[str, tuple[str, str]] = {
    "tensor(bool)": ("BOOL", "bool"),
    "tensor(uint8)": ("UINT8", "uint8"),
    "tensor(uint16)": ("UINT16", "uint16"),
    "tensor(uint32)": ("UINT32", "uint32"),
    "tensor(uint64)": ("UINT64", "uint64"),
    "tensor(int8)": ("INT8", "int8"),
    "tensor(int16)": ("INT16", "int16"),
    "tensor(int32)": ("INT32", "int32"),
    "tensor(int64)": ("INT64", "int64"),
    "tensor(float16)": ("FP16", "float16"),
    "tensor(float)": ("FP32", "float32"),
    "tensor(double)": ("FP64", "float64"),
}
"""ONNX Runtime's types: the Open Inference Protocol's name and numpy's."""

_NUMPY = {protocol: np.dtype(numpy) for protocol, numpy in _DATATYPES.values()}


class Model:
    """An ONNX file, open in ONNX Runtime."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open the file's bytes; `name` is the subject of errors.

        Raises:
            BadInput: not ONNX, keeps its weights in other files, or has inputs or outputs that are no tensors.
        """
        self.name = name
        self.data = data
        _check_self_contained(data, name)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise BadInput(f"{name}: ONNX Runtime cannot open it: {_line(error)}") from error
        self.inputs = tuple(self._tensor(node, "input") for node in self._session.get_inputs())
        self.outputs = tuple(self._tensor(node, "output") for node in self._session.get_outputs())

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output for `inputs`, by name.

        Raises:
            BadInput: the model cannot take them.
        """
        try:
            results: Sequence[Array] = self._session.run(None, dict(inputs))
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise BadInput(f"{self.name}: failed on the golden inputs: {_line(error)}") from error
        return {tensor.name: np.asarray(result) for tensor, result in zip(self.outputs, results, strict=True)}

    def _tensor(self, node: Any, kind: str) -> Tensor:
        if node.type not in _DATATYPES:
            hint = "; scikit-learn's classifiers: convert with zipmap=False" if node.type.startswith("seq(map") else ""
            raise BadInput(f"{self.name}: {kind} {node.name!r} is a {node.type}, want a tensor of numbers{hint}")
        shape = tuple(size if isinstance(size, int) and size > 0 else -1 for size in node.shape)
        if kind == "input" and not shape:
            raise BadInput(f"{self.name}: input {node.name!r} has no dimensions; the first has to be the batch")
        return Tensor(name=node.name, datatype=_DATATYPES[node.type][0], shape=shape)


def numpy_type(tensor: Tensor) -> "np.dtype[Any]":
    """The numpy type of a tensor made by `Model`."""
    return _NUMPY[tensor.datatype]


def _check_self_contained(data: bytes, name: str) -> None:
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise BadInput(f"{name}: not an ONNX file") from error
    if not model.opset_import or not model.graph.node:
        raise BadInput(f"{name}: not an ONNX file, or one without any operator")
    for tensor in _tensors(model):
        if uses_external_data(tensor):
            raise BadInput(
                f"{name}: keeps weight {tensor.name!r} in another file; save it as one file: "
                "onnx.save(onnx.load(PATH), NEW_PATH, save_as_external_data=False)"
            )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    nodes = [node for function in model.functions for node in function.node]
    graphs = [model.graph]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        else:
            for attribute in nodes.pop().attribute:
                yield from (attribute.t, *attribute.tensors)
                graphs.extend((attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def read_model(path: Path) -> Model:
    """Open an ONNX file.

    Raises:
        BadInput: see `Model`.
    """
    if not path.is_file():
        raise BadInput(f"{path}: {'want an ONNX file, got a folder' if path.is_dir() else 'no such file'}")
    return Model(path.read_bytes(), str(path))
