"""Bundles that somebody made in bad faith, or broke: each writes itself into a folder and says how it is refused."""

import gzip
import io
import itertools
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgemodel.bundle import CARD as CARD_FILE
from edgemodel.bundle import GOLDEN, MANIFEST, MODEL, Blob, Tensor, digest_of, parse_manifest, render_manifest
from edgemodel.wish import Artifact
from edgemodel_registry import write_manifest
from edgemodel_registry.arrays import pack_arrays
from tests.unit.inference_pod.tiny_bundles import CARD, bundle, golden, graph, weights

Write = Callable[[Path], Artifact]
HUGE = 2**36
_NUMBERS = itertools.count()
SOUND = graph(weights(4.0))


def spoiled(change: Callable[[ModelProto], object]) -> Write:
    """The tiny model with something done to its graph."""

    def write(folder: Path) -> Artifact:
        model = ModelProto.FromString(SOUND)
        change(model)
        return bundle(folder, "bad", model=bytes(model.SerializeToString()))

    return write


def replaced(**parts: Any) -> Write:
    """The tiny bundle with another model, card or golden arrays."""
    return lambda folder: bundle(folder, "bad", **parts)


def overwritten(name: str, data: bytes) -> Write:
    """The tiny bundle with other bytes in one file, and a manifest that agrees."""

    def write(folder: Path) -> Artifact:
        bundle(folder, "bad")
        (folder / "bad" / name).write_bytes(data)
        return Artifact(name="bad", uri=f"file://{folder}/bad", digest=write_manifest(folder / "bad", "bad"))

    return write


def swapped(name: str, put: Callable[[Path], object]) -> Write:
    """A sound bundle, one file of which became something else after it was published."""
    scale = 5.0 + next(_NUMBERS)  # each with a digest of its own, or it would be known already

    def write(folder: Path) -> Artifact:
        artifact = bundle(folder, "bad", scale=scale)
        (folder / "bad" / name).unlink()
        put(folder / "bad" / name)
        return artifact

    return write


def told(change: Callable[[dict[str, Blob]], object]) -> Write:
    """The tiny bundle with a manifest that tells other things of its files."""

    def write(folder: Path) -> Artifact:
        bundle(folder, "bad")
        path = folder / "bad" / MANIFEST
        manifest = parse_manifest(path.read_bytes())
        files = dict(manifest.files)
        change(files)
        path.write_bytes(data := render_manifest(files, manifest.config))
        return Artifact(name="bad", uri=f"file://{folder}/bad", digest=digest_of(data))

    return write


def _of_size(size: int) -> Write:
    return told(lambda files: files.update({MODEL: Blob(files[MODEL].digest, size)}))


def ending(*nodes: NodeProto, **constants: Any) -> Write:
    """The tiny model whose logits go through `nodes`, from ``before`` to ``logits``."""

    def change(model: ModelProto) -> None:
        (matmul,) = (node for node in model.graph.node if node.op_type == "MatMul")
        matmul.output[0] = "before"
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())

    return spoiled(change)


def node(kind: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _external(location: str) -> TensorProto:
    tensor = TensorProto(name="w", dims=[4, 3], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def outside(location: str) -> Write:
    return spoiled(lambda model: model.graph.initializer[0].CopyFrom(_external(location)))


def _branch(*nodes: NodeProto, output: str = "out", constants: tuple[TensorProto, ...] = ()) -> GraphProto:
    info = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), "branch", [], [info], list(constants))


def _if(branch: GraphProto, output: str) -> NodeProto:
    plain = _branch(node("Identity", "before", "out"))  # not `branch` again: each level would double the graph
    return helper.make_node("If", ["yes"], [output], then_branch=branch, else_branch=plain)


def nested(depth: int) -> Write:
    inner = _branch(node("Identity", "before", "out"))
    for _ in range(depth):
        inner = _branch(_if(inner, "out"))
    return ending(_if(inner, "logits"), yes=np.array(True))


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    size, length = len(data), bytearray()
    while size > 127:
        length.append(size % 128 + 128)
        size //= 128
    return bytes([number * 8 + 2, *length, size]) + data


def beyond_parsers() -> bytes:
    """The tiny model with graphs nested 100 deep, written by hand: protobuf neither reads nor writes that."""
    graph = b""
    for _ in range(100):
        graph = _field(1, _field(5, _field(1, b"body") + _field(6, graph)))
    return SOUND + _field(7, graph)


def _endless() -> NodeProto:
    """A loop whose body adds nothing and never says stop."""
    scalar = [helper.make_tensor_value_info(n, k, []) for n, k in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))]
    carried = helper.make_tensor_value_info("a", TensorProto.FLOAT, None)
    ends = [
        helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, None),
    ]
    body = helper.make_graph(
        [node("Identity", "go", "go_on"), node("Identity", "a", "b")], "body", [*scalar, carried], ends
    )
    return helper.make_node("Loop", ["most", "yes", "before"], ["logits"], body=body)


def _function(model: ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["out"], value=_external("/etc/passwd"))
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("own", "F", [], ["out"], [constant], [opset]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.append(helper.make_node("F", [], ["unused"], domain="own"))


def _sparse(model: ModelProto, dims: list[int], values: TensorProto) -> None:
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(values)
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0], np.int64), "indices"))
    sparse.dims.extend(dims)
    model.graph.node.append(node("ReduceMax", "sparse", "most"))


def _small_sparse(name: str) -> TensorProto:
    return numpy_helper.from_array(np.array([1.0], np.float32), name)


def _dims(model: ModelProto, *dims: int) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)


def _raw(model: ModelProto, data: bytes) -> None:
    model.graph.initializer[0].raw_data = data


def _opset(model: ModelProto, version: int) -> None:
    model.opset_import[0].version = version


def _cycle(model: ModelProto) -> None:
    model.graph.node.append(node("Identity", "logits", "again"))
    model.graph.node[0].input[0] = "again"


def _same_names(model: ModelProto) -> None:
    for one in model.graph.node:
        one.name = "same"


def _twice(model: ModelProto) -> None:
    model.graph.node.append(node("Identity", "flat", "logits"))


def _nothing(model: ModelProto) -> None:
    del model.graph.node[:]


def _card(**parts: Any) -> Any:
    return CARD.model_copy(update=parts)


def _output(**parts: Any) -> Any:
    return _card(outputs=(CARD.outputs[0].model_copy(update=parts),))


def _more_outputs() -> Write:
    extra = Tensor(name="extra", datatype="FP32", shape=(-1, 3))
    arrays = golden(weights(4.0))
    return replaced(card=_card(outputs=(*CARD.outputs, extra)), golden={**arrays, "output:extra": np.zeros((2, 3))})


def _pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, **{"input:x": np.array([object()], dtype=object)}, allow_pickle=True)
    return file.getvalue()


def _shape(size: int) -> Any:
    return np.array([size, 1], np.int64)


_LEAST = np.array([-(2**31)], np.int32)
_BIG_TEXT = b"a text, no graph\n" * 1000

HOSTILE: dict[str, tuple[Write, str]] = {
    # not a graph at all
    **{f"cut after {k}/8": (replaced(model=SOUND[: len(SOUND) * k // 8]), "NotOnnx") for k in (1, 3, 5, 7)},
    "cut before its last byte": (replaced(model=SOUND[:-1]), "NotOnnx"),
    "an empty file": (replaced(model=b""), "NotOnnx"),
    "gzip": (replaced(model=gzip.compress(SOUND)), "NotOnnx"),
    "a pickle": (replaced(model=pickle.dumps({"weights": [1, 2, 3]})), "NotOnnx"),
    "text": (replaced(model=_BIG_TEXT), "NotOnnx"),
    "no nodes": (spoiled(_nothing), "NotOnnx"),
    "graphs nested 100 deep": (replaced(model=beyond_parsers()), "NotOnnx"),
    # reaches outside the file
    "data above the folder": (outside("../../../etc/passwd"), "ExternalData"),
    "data at an absolute path": (outside("/etc/passwd"), "ExternalData"),
    "data in a file beside it": (outside("weights.bin"), "ExternalData"),
    "data outside, in an attribute": (
        ending(node("Constant", "", "c", value=_external("/etc/passwd")), node("Identity", "before", "logits")),
        "ExternalData",
    ),
    "data outside, in a branch": (
        ending(_if(_branch(node("Identity", "w", "out"), constants=(_external("/x"),)), "logits"), yes=np.array(True)),
        "ExternalData",
    ),
    "data outside, in a function": (spoiled(_function), "ExternalData"),
    "data outside, in a sparse tensor": (spoiled(lambda m: _sparse(m, [4], _external("/etc/passwd"))), "ExternalData"),
    # asks for what is not there
    "an operator from elsewhere": (ending(node("Shell", "before", "logits", domain="evil.example")), "UnknownOperator"),
    "an operator from elsewhere, in a branch": (
        ending(_if(_branch(node("Shell", "before", "out", domain="evil.example")), "logits"), yes=np.array(True)),
        "UnknownOperator",
    ),
    "an operator that nobody defined": (ending(node("Teleport", "before", "logits")), "GraphInvalid"),
    "an operator set of the future": (spoiled(lambda m: _opset(m, 999)), "UnknownOpset"),
    "an operator set below the first": (spoiled(lambda m: _opset(m, -1)), "UnknownOpset"),
    # tensors that lie
    "a dimension below zero": (spoiled(lambda m: _dims(m, -4, -3)), "TensorInvalid"),
    "weights larger than the file": (spoiled(lambda m: _dims(m, HUGE, 3)), "TensorInvalid"),
    "weights beyond any integer": (spoiled(lambda m: _dims(m, 2**62, 2**62)), "TensorInvalid"),
    "weights without data": (spoiled(lambda m: _raw(m, b"")), "TensorInvalid"),
    "weights with too few data": (spoiled(lambda m: _raw(m, b"\0" * 20)), "GraphInvalid"),
    "weights with too much data": (spoiled(lambda m: _raw(m, b"\0" * 200)), "GraphInvalid"),
    # graphs that are none
    "a cycle": (spoiled(_cycle), "GraphInvalid"),
    "two nodes of one name": (spoiled(_same_names), "GraphInvalid"),
    "two nodes with one output": (spoiled(_twice), "GraphInvalid"),
    "an input that nobody makes": (ending(node("Add", "before nobody", "logits")), "GraphInvalid"),
    "a node with too many inputs": (ending(node("Relu", "before before", "logits")), "GraphInvalid"),
    "graphs nested 25 deep": (nested(25), "TooDeep"),
    # other than its card says
    "an output too few": (_more_outputs(), "CardMismatch"),
    "an output of another name": (
        replaced(
            card=_output(name="scores"),
            golden={"input:x": np.zeros((2, 1, 2, 2), np.float32), "output:scores": np.zeros((2, 3), np.float32)},
        ),
        "CardMismatch",
    ),
    "an output of another width": (replaced(card=_output(shape=(-1, 4))), "CardMismatch"),
    "an output of another datatype": (replaced(card=_output(datatype="INT64")), "CardMismatch"),
    "an input of a huge size": (
        replaced(card=_card(inputs=(Tensor(name="x", datatype="FP32", shape=(HUGE, 1, 2, 2)),))),
        "GoldenInvalid",
    ),
    "a card that is none": (overwritten(CARD_FILE, b"[]"), "CardInvalid"),
    "golden arrays that are a pickle": (overwritten(GOLDEN, _pickled()), "GoldenInvalid"),
    "golden arrays larger than any": (
        overwritten(GOLDEN, pack_arrays({"input:x": np.zeros((17 << 20, 1, 2, 2), np.uint8)})),
        "GoldenInvalid",
    ),
    "golden arrays that are cut off": (overwritten(GOLDEN, pack_arrays(golden(weights(4.0)))[:-30]), "GoldenInvalid"),
    # answers that nobody wants
    "answers that are not numbers": (
        ending(node("Div", "before zero", "c"), node("Mul", "c zero", "logits"), zero=np.zeros(1, np.float32)),
        "NotFinite",
    ),
    "answers beyond all numbers": (
        ending(node("Div", "before zero", "logits"), zero=np.zeros(1, np.float32)),
        "NotFinite",
    ),
    "other answers than the golden ones": (
        ending(node("Add", "before one", "logits"), one=np.ones(1, np.float32)),
        "GoldenMismatch",
    ),
    "answers of another shape": (
        ending(node("Concat", "before before", "logits", axis=0)),
        "GoldenMismatch",
    ),
    # bombs
    "ConstantOfShape": (
        ending(
            node("ConstantOfShape", "size", "c"),
            node("ReduceMax", "c", "d"),
            node("Add", "before d", "logits"),
            size=_shape(HUGE),
        ),
        "TooMuchMemory",
    ),
    "Expand": (
        ending(
            node("Expand", "one size", "c"),
            node("ReduceMax", "c", "d"),
            node("Add", "before d", "logits"),
            one=np.ones(1, np.float32),
            size=_shape(HUGE),
        ),
        "TooMuchMemory",
    ),
    "Tile": (
        ending(
            node("Tile", "before size", "c"),
            node("ReduceMax", "c", "d"),
            node("Add", "before d", "logits"),
            size=np.array([1, HUGE], np.int64),
        ),
        "TooMuchMemory",
    ),
    "Range": (
        ending(
            node("Range", "zero size one", "c"),
            node("ReduceMax", "c", "d"),
            node("Add", "before d", "logits"),
            zero=np.float32(0),
            one=np.float32(1),
            size=np.float32(HUGE),
        ),
        "TooMuchMemory",
    ),
    "Pad": (
        ending(
            node("Pad", "before size", "c"),
            node("ReduceMax", "c", "d"),
            node("Add", "before d", "logits"),
            size=np.array([0, 0, 0, HUGE], np.int64),
        ),
        "TooMuchMemory",
    ),
    "a sparse tensor that is huge when dense": (
        spoiled(lambda m: _sparse(m, [HUGE], _small_sparse("sparse"))),
        "GraphInvalid",
    ),
    "a loop that never ends": (ending(_endless(), most=np.array(2**62), yes=np.array(True)), "TooSlow"),
    "a division that ends the process": (
        ending(
            node("Div", "least minus", "c"),
            node("Cast", "c", "d", to=TensorProto.FLOAT),
            node("Add", "before d", "logits"),
            least=_LEAST,
            minus=np.array([-1], np.int32),
        ),
        "JailCrashed",
    ),
    # a manifest that lies
    "a model larger than all that may be kept": (_of_size(HUGE), "TooLarge"),
    "a model longer than its manifest says": (_of_size(len(SOUND) - 1), "DigestMismatch"),
    "a manifest without a model": (told(lambda files: files.pop(MODEL)), "ModelMissing"),
    # an origin that is not what it was
    "a FIFO where the model was": (swapped(MODEL, os.mkfifo), "ArtifactInvalid"),
    "a FIFO where the manifest was": (swapped(MANIFEST, os.mkfifo), "ArtifactInvalid"),
    "a folder where the model was": (swapped(MODEL, Path.mkdir), "ArtifactInvalid"),
    "a link to another file": (swapped(MODEL, lambda path: path.symlink_to(sys.executable)), "DigestMismatch"),
    "a hard link to another file": (
        swapped(MODEL, lambda path: path.hardlink_to(path.with_name(CARD_FILE))),
        "DigestMismatch",
    ),
    "another model": (swapped(MODEL, lambda path: path.write_bytes(graph(weights(5.0)))), "DigestMismatch"),
    "another manifest": (swapped(MANIFEST, lambda path: path.write_bytes(b"{}")), "DigestMismatch"),
    "no model any more": (swapped(MODEL, str), "ArtifactMissing"),
}
