"""A walk over an ONNX graph before anything executes it; runs in the jail only."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from edgemodel_inference.errors import Refused

MAX_DEPTH = 16
"""Levels of graphs within graphs."""

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operator sets that ONNX Runtime itself implements; any other needs a library of its own."""

_DATA = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")


def walk(path: Path) -> None:
    """Return when the file is an ONNX model that keeps all its data within itself and asks for known operators.

    Raises:
        Refused: it is not, or names files or operators from outside.
    """
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise Refused("NotOnnx", f"{path.name}: {error!s:.200}") from error
    if not model.graph.node or not model.opset_import:
        raise Refused("NotOnnx", f"{path.name}: want a graph with nodes and an operator set")
    _check_opsets(model)
    known = DOMAINS | {function.domain for function in model.functions}
    roots = [model.graph, *model.functions]
    roots += [graph for info in model.training_info for graph in (info.initialization, info.algorithm)]
    for graph in (graph for root in roots for graph in _graphs(root, 0)):
        for node in graph.node:
            if node.domain not in known:
                raise Refused(
                    "UnknownOperator", f"{node.domain:.80}:{node.op_type:.80}: its operator set is not known here"
                )
        for tensor in _tensors(graph):
            _check_tensor(tensor)


def _check_opsets(model: Any) -> None:
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in {"", "ai.onnx"} and not 1 <= opset.version <= newest:
            raise Refused("UnknownOpset", f"operator set {opset.version}: want 1 to {newest}")


def _graphs(graph: Any, depth: int) -> Iterator[Any]:
    """`graph` (or a function) and all graphs within it."""
    if depth > MAX_DEPTH:
        raise Refused("TooDeep", f"graphs are nested more than {MAX_DEPTH} deep")
    yield graph
    for attribute in _attributes(graph):
        for inner in (attribute.g, *attribute.graphs):
            if inner.node or inner.initializer:
                yield from _graphs(inner, depth + 1)


def _attributes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield from node.attribute
    yield from getattr(graph, "attribute_proto", ())  # a function's defaults


def _tensors(graph: Any) -> Iterator[Any]:
    """The tensors of this graph alone, without those of graphs within it."""
    sparse = list(getattr(graph, "sparse_initializer", ()))  # a function has no initializers
    yield from getattr(graph, "initializer", ())
    for attribute in _attributes(graph):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
        sparse += attribute.sparse_tensors
    for one in sparse:
        yield from (one.values, one.indices)


def _check_tensor(tensor: Any) -> None:
    name = f"tensor {tensor.name!r:.80}"
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise Refused("ExternalData", f"{name} lies outside the file")
    if any(size < 0 for size in tensor.dims):
        raise Refused("TensorInvalid", f"{name}: a dimension below zero")
    claimed = math.prod(tensor.dims)
    # Four elements of the smallest datatype share a byte; ONNX Runtime looks at each datatype's own size.
    there = 4 * len(tensor.raw_data) or 4 * max(len(getattr(tensor, field)) for field in _DATA)
    if claimed > there:
        raise Refused("TensorInvalid", f"{name}: claims {claimed} elements, and there is data for {there} at most")
