"""ONNX Runtime's sessions: a graph, opened for one device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime as ort

from edgemodel_inference.errors import DeviceUnusable
from edgemodel_inference.model.devices import PROVIDERS, Device

BENEATH: Mapping[Device, tuple[Device, ...]] = {
    Device.CPU: (Device.CPU,),
    Device.CUDA: (Device.CUDA, Device.CPU),
    Device.TENSORRT: (Device.TENSORRT, Device.CUDA, Device.CPU),
    Device.OPENVINO: (Device.OPENVINO, Device.CPU),
}
"""Who takes the operators that a device does not know, in order."""

Provider = tuple[str, dict[str, str]]


class Session(ort.InferenceSession):  # type: ignore[misc]  # the library has no types
    """ONNX Runtime's session, without what it does in Python around each run: a third of the time of a short one."""

    def run(self, output_names: list[str], input_feed: Mapping[str, Any], run_options: None = None) -> list[Any]:
        """As the library's, for numpy arrays: whether all inputs are there was looked at when they were read."""
        outputs: list[Any] = self._sess.run(output_names, input_feed, run_options)
        return outputs


def open_session(model: Path | bytes, device: Device, threads: int, cache: Path | None = None) -> Session:
    """Open `model` on `device`; what is slow to build for it is kept in the folder `cache`.

    Raises:
        DeviceUnusable: the graph can be opened, but not there.
        one of `edgemodel_inference.model.models.LOAD_ERRORS`: ONNX Runtime cannot open it.
    """
    available = ort.get_available_providers()
    if PROVIDERS[device] not in available:
        raise DeviceUnusable(f"this ONNX Runtime has no {PROVIDERS[device]}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device in {Device.CUDA, Device.TENSORRT}:
        ort.preload_dlls()  # libraries that came as Python packages are on no search path
    source = model if isinstance(model, bytes) else str(model)
    providers = [_provider(each, cache) for each in BENEATH[device] if PROVIDERS[each] in available]
    # Left to itself it would print what is wrong, and go on with the processor as if nothing were.
    session = Session(source, options, providers=providers, enable_fallback=0)
    if PROVIDERS[device] not in session.get_providers():
        raise DeviceUnusable(f"{PROVIDERS[device]} does not start; are its driver and libraries there?")
    return session


def _provider(device: Device, cache: Path | None) -> Provider:
    if device is Device.TENSORRT and cache is not None:
        return PROVIDERS[device], {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache)}
    if device is Device.OPENVINO:
        return PROVIDERS[device], {"device_type": "AUTO"}  # Intel's GPU where there is one
    return PROVIDERS[device], {}
