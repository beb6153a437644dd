"""Where a model runs: on what is wished for and works here, on the processor where it does not, and it says why."""

import shutil
import sys
from pathlib import Path

import onnxruntime
import pytest

from edgemodel.wish import Artifact
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import DeviceUnusable
from edgemodel_inference.model import devices, sessions
from edgemodel_inference.model.devices import PROCESSOR, PROVIDERS, Choice, Device, choose, try_device
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import open_model
from edgemodel_inference.model.sessions import open_session
from edgemodel_inference.wish.loader import Loader
from edgemodel_inference.wish.serving import Serving
from edgemodel_inference.wish.trust import Trust
from edgemodel_registry import Client
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask
from tests.unit.inference_pod.tiny_bundles import bundle, graph, weights, wish

EVERYTHING = tuple(PROVIDERS.values())
CPU_ONLY = (PROVIDERS[Device.CPU],)


def works(_: Device) -> None:
    """No trouble."""


@pytest.mark.parametrize("device", [Device.CPU, Device.CUDA, Device.TENSORRT, Device.OPENVINO])
def test_what_is_wished_for_and_works_is_used(device: Device) -> None:
    assert choose(device, EVERYTHING, works) == Choice(device, device, "as wished")


def test_left_to_itself_a_node_uses_the_first_accelerator_that_works() -> None:
    def trouble(device: Device) -> str | None:
        return "no driver" if device is Device.CUDA else None

    assert choose(Device.AUTO, EVERYTHING, works).used is Device.CUDA
    assert choose(Device.AUTO, EVERYTHING, trouble).used is Device.OPENVINO


def test_left_to_itself_a_node_never_waits_for_tensorrt() -> None:
    there = (PROVIDERS[Device.TENSORRT], *CPU_ONLY)
    assert choose(Device.AUTO, there, works).used is Device.CPU


def test_an_accelerator_that_does_not_work_leaves_the_processor_and_a_reason() -> None:
    choice = choose(Device.CUDA, EVERYTHING, lambda _: "CUDA driver version is insufficient")
    assert choice == Choice(Device.CUDA, Device.CPU, "cuda: CUDA driver version is insufficient")
    assert choice.missed


def test_an_accelerator_that_the_image_does_not_have_is_named() -> None:
    choice = choose(Device.OPENVINO, CPU_ONLY, works)
    assert (choice.used, choice.missed) == (Device.CPU, True)
    assert "this ONNX Runtime has no OpenVINOExecutionProvider" in choice.why


def test_no_child_is_started_where_there_is_nothing_to_try() -> None:
    def never(_: Device) -> str | None:
        raise AssertionError

    for wished in (Device.AUTO, Device.CPU, Device.CUDA):
        assert choose(wished, CPU_ONLY, never).used is Device.CPU
    assert not choose(Device.AUTO, CPU_ONLY, never).missed


@pytest.fixture
def v1(origin: Path) -> Path:
    bundle(origin, "v1")
    return origin / "v1"


def alive() -> None:
    """A sign of life that nobody waits for."""


def test_the_probe_opens_the_bundle_and_compares_its_golden_outputs(v1: Path) -> None:
    assert try_device(Device.CPU, v1, alive) is None


def test_the_probe_says_what_is_wrong(v1: Path, origin: Path) -> None:
    bundle(origin, "v2", model=graph(weights(9.0)))  # not the golden outputs' weights
    assert "GoldenMismatch" in (try_device(Device.CPU, origin / "v2", alive) or "")
    assert "OpenVINOExecutionProvider" in (try_device(Device.OPENVINO, v1, alive) or "")


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends the process by signal 11"),
        ("raise SystemExit('no libcudart')", "exit code 1: no libcudart"),
        ("import threading; threading.Event().wait()", "no answer within 0 s"),
    ],
)
def test_a_driver_that_crashes_or_hangs_does_so_in_a_child(
    v1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, message: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{driver}\n")
    program.chmod(0o755)
    monkeypatch.setattr(devices.sys, "executable", str(program))
    monkeypatch.setattr(devices, "SECONDS", {Device.CPU: 0.2})
    monkeypatch.setattr(devices, "PATIENCE", 0.1 if "Event" in driver else 5.0)
    signs: list[int] = []
    assert message in (try_device(Device.CPU, v1, lambda: signs.append(1)) or "")
    assert bool(signs) == ("Event" in driver), "a child that is waited for does not look like a hung worker"


def test_a_session_has_as_many_threads_as_it_is_given(v1: Path) -> None:
    session = open_session(v1 / "model.onnx", Device.CPU, threads=2)
    assert session.get_session_options().intra_op_num_threads == 2


def test_a_session_is_never_silently_on_another_device(v1: Path) -> None:
    with pytest.raises(DeviceUnusable, match="no OpenVINOExecutionProvider"):
        open_session(v1 / "model.onnx", Device.OPENVINO, threads=1)


def test_what_an_accelerator_fails_with_is_no_fault_of_the_graph(
    v1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(devices.PROVIDERS, Device.CUDA, "CPUExecutionProvider")
    monkeypatch.setitem(sessions.BENEATH, Device.CUDA, (Device.CUDA,))
    folder, artifact = tmp_path / "v1", Artifact(name="v1", uri="file:///v1", digest="sha256:" + "0" * 64)
    shutil.copytree(v1, folder)
    (folder / "model.onnx").write_bytes(b"more than it can take")
    with pytest.raises(DeviceUnusable, match="Protobuf parsing failed"):
        open_model(folder, artifact, 1, Choice(Device.CUDA, Device.CUDA, "as wished"))


def test_a_model_that_the_accelerator_refuses_after_all_is_served_by_the_processor(
    v1: Path, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice(Device.CUDA, Device.CUDA, "as wished")
    monkeypatch.setattr("edgemodel_inference.wish.loader.choose", lambda *_: choice)
    artifact = bundle(origin, "again")
    store = Store(tmp_path / "models", 1 << 20, Client)
    serving = Serving(Engine(), Refusals(tmp_path / "refused.json"), tmp_path / "serving.json")
    loader = Loader(store, Trust(store, serving, Client), Device.CUDA, 1, 8, lambda _: None)
    model = loader.obtain(artifact, lambda _done, _total: None)
    assert (model.device.wished, model.device.used) == (Device.CUDA, Device.CPU)
    assert "cuda: " in model.device.why


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA may work here")
def test_a_pod_that_misses_its_device_serves_all_the_same_and_says_so(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start(EDGEMODEL_DEVICE="cuda")
    pod.await_ready()
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    device = pod.worker()["device"]
    assert (device["wished"], device["used"]) == ("cuda", "cpu")
    assert "CUDAExecutionProvider" in device["why"]
    assert pod.logged("device not usable, the processor serves")


def test_the_processor_is_what_a_model_has_by_itself() -> None:
    assert (PROCESSOR.used, PROCESSOR.missed) == (Device.CPU, False)
