"""Hostile models end in the jail."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from edgemodel.bundle import MODEL
from edgemodel_inference.errors import Refused
from edgemodel_inference.model import jail
from edgemodel_inference.model.jail import try_bundle
from tests.unit.inference_pod.tiny_bundles import bundle, graph, weights


def _outside(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


def _bomb(model: ModelProto) -> None:
    size = helper.make_tensor("size", TensorProto.INT64, [1], np.array([2**34]))
    model.graph.initializer.append(size)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["huge"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=1))
    (matmul,) = (node for node in model.graph.node if node.op_type == "MatMul")
    matmul.output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "most"], ["logits"]))


def _crash(model: ModelProto) -> None:
    """The smallest integer divided by −1 ends ONNX Runtime by a signal."""
    for name, value in (("least", -(2**31)), ("minus_one", -1)):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.INT32, [1]))
        model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT32, [1], [value]))
    model.graph.node.append(helper.make_node("Div", ["least", "minus_one"], ["quotient"]))
    model.graph.node.append(helper.make_node("Cast", ["quotient"], ["number"], to=TensorProto.FLOAT))
    (matmul,) = (node for node in model.graph.node if node.op_type == "MatMul")
    matmul.output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "number"], ["logits"]))


def _truncated(_: ModelProto) -> bytes:
    return graph(weights(4.0))[:-40]


def _cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _busy_processor() -> Iterator[None]:
    """This thread and what it starts share one processor with two that always want it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()
        os.sched_setaffinity(0, before)


def test_on_a_busy_machine_a_sound_model_is_given_the_time_that_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, "v1")
    before = _cpu_seconds_of_children()
    try_bundle(tmp_path / "v1")
    monkeypatch.setattr(jail, "BY_THE_CLOCK", 0.0)
    monkeypatch.setattr(jail, "START", 2 * (_cpu_seconds_of_children() - before))
    with _busy_processor():
        began = time.monotonic()
        try_bundle(tmp_path / "v1")
    assert time.monotonic() - began > jail.START


def test_a_child_that_does_nothing_is_not_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(Refused, match="JailTimeout"):
        jail._run(["sleep", "30"], {"PATH": os.environ["PATH"]}, 0.2)
    assert time.monotonic() - began < jail.LONGEST / 2


HOSTILE: dict[str, tuple[Callable[[ModelProto], Any], set[str]]] = {
    "weights outside the file": (_outside, {"ExternalData"}),
    "a tensor larger than memory": (_bomb, {"TooMuchMemory"}),
    "a division that ends the process": (_crash, {"JailCrashed"}),
    "half a file": (_truncated, {"NotOnnx"}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_model_is_refused_with_its_code(origin: Path, what: str) -> None:
    spoil, codes = HOSTILE[what]
    model = ModelProto.FromString(graph(weights(4.0)))
    data = spoil(model) or model.SerializeToString()
    bundle(origin, "bad", model=data)
    with pytest.raises(Refused) as caught:
        try_bundle(origin / "bad")
    assert caught.value.code in codes


def test_a_model_with_a_second_name_is_refused(origin: Path) -> None:
    bundle(origin, "v1")
    (origin / "other").hardlink_to(origin / "v1" / MODEL)
    with pytest.raises(Refused, match=r"NotOnnx: model\.onnx: want a regular file with one name"):
        try_bundle(origin / "v1")


def test_a_sound_bundle_passes(origin: Path) -> None:
    bundle(origin, "v1")
    try_bundle(origin / "v1")


CUT_OFF = """
import ctypes, os, socket, subprocess
from edgemodel_inference.model.sandbox import cut_off
assert cut_off()
libc, parent = ctypes.CDLL(None, use_errno=True), os.getppid()
def signal_a_thread():
    if libc.tgkill(parent, parent, 0):
        raise OSError(ctypes.get_errno(), "tgkill")
for forbidden in (socket.socket, lambda: subprocess.run(["true"]), lambda: os.kill(parent, 0), signal_a_thread):
    try:
        forbidden()
    except PermissionError:
        print("denied")
"""


def test_a_process_that_is_cut_off_reaches_no_network_no_program_and_no_other_process() -> None:
    done = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["denied"] * 4, "")
