"""What runs a model: the processor, or an accelerator that has shown here and now that it does.

A provider of ONNX Runtime that is installed says little: its driver may be missing, of another version, or dead, and
a graph may be too much for it. So a child process (`probe`), which a driver may crash or hang, first opens the bundle
there and gets its golden outputs. ONNX Runtime without an accelerator's provider, as in the plain image, needs none.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PATIENCE = 5.0
"""Seconds between two signs of life while a child process is waited for."""


class Device(StrEnum):
    """What may be wished for; a node uses any of them but AUTO."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"


PROVIDERS: Mapping[Device, str] = {
    Device.CPU: "CPUExecutionProvider",
    Device.CUDA: "CUDAExecutionProvider",
    Device.TENSORRT: "TensorrtExecutionProvider",
    Device.OPENVINO: "OpenVINOExecutionProvider",
}
"""Device → ONNX Runtime's name for what runs on it."""

BRINGS: Mapping[Device, str] = {
    Device.CUDA: "an image built with DEVICE=cuda, or pip install 'onnxruntime-gpu[cuda,cudnn]'",
    Device.TENSORRT: "TensorRT's libraries and an image built with DEVICE=cuda, or pip install onnxruntime-gpu",
    Device.OPENVINO: "an image built with DEVICE=openvino, or pip install onnxruntime-openvino",
}
"""Device → what has an ONNX Runtime for it."""

SECONDS: Mapping[Device, float] = {**dict.fromkeys(Device, 60.0), Device.TENSORRT: 900.0}
"""How long opening and warming up may take there: TensorRT builds an engine for each number of rows."""

BY_ITSELF = (Device.CUDA, Device.OPENVINO)
"""What AUTO tries, in order. Not TensorRT: whoever wants it has minutes to spare at each new version."""


AS_WISHED, NONE_THERE = "as wished", "this ONNX Runtime has no accelerator's provider"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was wished for, what is used, and why."""

    wished: Device
    used: Device
    why: str

    @property
    def missed(self) -> bool:
        """Whether an accelerator was wished for or found, and does not work."""
        return self.used is Device.CPU and self.why not in {AS_WISHED, NONE_THERE}


PROCESSOR = Choice(Device.CPU, Device.CPU, AS_WISHED)


def choose(wished: Device, available: Collection[str], trouble: Callable[[Device], str | None]) -> Choice:
    """What to use, of ONNX Runtime's providers `available`; `trouble` says why a device does not work, or None."""
    if wished is Device.CPU:
        return PROCESSOR
    problems = []
    for device in BY_ITSELF if wished is Device.AUTO else (wished,):
        if PROVIDERS[device] not in available:
            if wished is not Device.AUTO:
                want = f"want {BRINGS[device]} in place of onnxruntime"
                problems.append(f"{device}: this ONNX Runtime has no {PROVIDERS[device]}; {want}")
            continue
        problem = trouble(device)
        if problem is None:
            why = AS_WISHED if wished is device else "the bundle's golden outputs come out there"
            return Choice(wished, device, why)
        problems.append(f"{device}: {problem}")
    return Choice(wished, Device.CPU, "; ".join(problems) or NONE_THERE)


def try_device(device: Device, folder: Path, alive: Callable[[], None]) -> str | None:
    """What is wrong with the bundle in `folder` on `device`, or None: a child process opens it there.

    Calls `alive` now and then while it waits.
    """
    command = [sys.executable, "-m", "edgemodel_inference.model.probe", device.value, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as child:
        deadline = time.monotonic() + SECONDS[device]
        while True:
            try:
                out, err = child.communicate(timeout=PATIENCE)
                break
            except subprocess.TimeoutExpired:
                alive()
            if time.monotonic() > deadline:
                child.kill()
                return f"no answer within {SECONDS[device]:.0f} s"
    if child.returncode < 0:
        return f"it ends the process by signal {-child.returncode}"
    last = out.strip().rpartition(b"\n")[2]  # drivers write what they like before
    try:
        problem = json.loads(last)["problem"]
    except (ValueError, KeyError, TypeError):
        return f"exit code {child.returncode}: {err[-300:].decode(errors='replace')}"
    return None if problem is None else str(problem)
