"""A walk over an ONNX graph before anything executes it; runs in the jail only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs among our dependencies

from edgemodel_inference.errors import Refused

MAX_DEPTH = 16
"""Levels of graphs within graphs."""


def walk(path: Path) -> None:
    """Return when the file is an ONNX model that keeps all its data within itself.

    Raises:
        Refused: it is not, or names files outside.
    """
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise Refused("NotOnnx", f"{path.name}: {error!s:.200}") from error
    if not model.graph.node or not model.opset_import:
        raise Refused("NotOnnx", f"{path.name}: want a graph with nodes and an operator set")
    for tensor in _tensors(model.graph, 0):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise Refused("ExternalData", f"{path.name}: tensor {tensor.name!r:.80} lies outside the file")


def _tensors(graph: Any, depth: int) -> Iterator[Any]:
    if depth > MAX_DEPTH:
        raise Refused("NotOnnx", f"graphs are nested more than {MAX_DEPTH} deep")
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in (a for node in graph.node for a in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            if inner.node or inner.initializer:
                yield from _tensors(inner, depth + 1)
