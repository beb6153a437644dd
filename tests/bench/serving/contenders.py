"""Who is measured: how each is installed, started and asked."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
import psutil

from tests.bench.serving import networks

PEERS = Path(__file__).parent / "peers"
BUILD = Path("build/bench")
SERVER_CORE, LOAD_CORE = "0", "1"
UP_LIMIT = 60.0


@dataclass(frozen=True)
class Question:
    """One way to ask for the same row, and how to read the answer."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    read: Callable[[bytes, Mapping[str, str]], list[float]] | None


@dataclass(frozen=True)
class Contender:
    """One server with one way to ask it."""

    name: str
    question: Question
    command: Callable[[Path, int], list[str]]
    """Of the folder with bundle and model.onnx, and of the port."""
    requirements: tuple[str, ...] = ()
    """Of its own environment; none: ours."""
    environment: Mapping[str, str] = field(default_factory=dict)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


X = networks.row()
_TENSOR: dict[str, object] = {"name": "x", "shape": [1, 784], "datatype": "FP32"}
_JSON_HEADERS = {"Content-Type": "application/json"}


def _read_binary(body: bytes, headers: Mapping[str, str]) -> list[float]:
    length = int(headers["inference-header-content-length"])
    return [float(value) for value in np.frombuffer(body[length:], np.float32)]


def v2_binary(x: networks.Array) -> Question:
    """The row `x` (1, 784)."""
    tensor = {**_TENSOR, "parameters": {"binary_data_size": x.nbytes}}
    head = _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Question("/v2/models/bench/infer", head + x.tobytes(), headers, _read_binary)


V2_BINARY = v2_binary(X)
V2_JSON = Question(
    "/v2/models/bench/infer",
    _json({"inputs": [{**_TENSOR, "data": X.ravel().tolist()}]}),
    _JSON_HEADERS,
    lambda body, _: json.loads(body)["outputs"][0]["data"],
)
_INSTANCES = _json({"instances": X.tolist()})
V1 = Question("/v1/models/bench:predict", _INSTANCES, _JSON_HEADERS, lambda body, _: json.loads(body)["predictions"][0])
NAIVE = Question("/predict", _INSTANCES, _JSON_HEADERS, lambda body, _: json.loads(body)["predictions"][0])
EMPTY = Question("/", V2_BINARY.body, V2_BINARY.headers, None)

_RUNTIME = f"onnxruntime=={onnxruntime.__version__}"
_KSERVE = ("kserve==0.21.0", _RUNTIME)
_MLSERVER = ("mlserver==1.7.1", _RUNTIME)


def _ours(folder: Path, port: int) -> list[str]:
    state = folder / f"state-{port}"
    options = ["--name", "bench", "--port", str(port), "--admin-port", "0", "--state", str(state)]
    return [str(Path(sys.executable).parent / "edgemodel-serve"), "--bundle", str(folder / "bundle"), *options]


def _script(name: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: ["python", str(PEERS / name), str(folder / "model.onnx"), str(port)]


def _mlserver(folder: Path, port: int) -> list[str]:
    home = folder / f"mlserver-{port}"
    home.mkdir(exist_ok=True)
    shutil.copy(PEERS / "mlserver_runtime.py", home)
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0}
    model = {"name": "bench", "implementation": "mlserver_runtime.Perceptron"}
    model |= {"parameters": {"uri": str(folder / "model.onnx")}}
    (home / "settings.json").write_text(json.dumps({**settings, "debug": False, "host": "127.0.0.1"}))
    (home / "model-settings.json").write_text(json.dumps(model))
    return ["mlserver", "start", str(home)]


def ours(name: str, question: Question, **environment: str) -> Contender:
    """Our server."""
    return Contender(name, question, _ours, environment=environment)


OURS, AGAIN = ours("ours, V2 binary", V2_BINARY), ours("ours again, V2 binary", V2_BINARY)
OURS_JSON = ours("ours, V2 JSON", V2_JSON)
KSERVE_V1 = Contender("KServe V1, JSON", V1, _script("kserve_server.py"), _KSERVE)
KSERVE_V2 = Contender("KServe V2, JSON", V2_JSON, _script("kserve_server.py"), _KSERVE)
MLSERVER = Contender("MLServer V2, JSON", V2_JSON, _mlserver, _MLSERVER)
EMPTY_SERVER = Contender("empty answer", EMPTY, _script("empty_server.py"))
ALL = (
    *(OURS, AGAIN, OURS_JSON, KSERVE_V1, KSERVE_V2, MLSERVER),
    Contender("naive FastAPI, JSON", NAIVE, _script("naive_server.py")),
    EMPTY_SERVER,
)


def install(contender: Contender) -> Path:
    """The folder with its programs; its environment is made where it is missing."""
    if not contender.requirements:
        return Path(sys.executable).parent
    folder = BUILD / ("env-" + contender.requirements[0].replace("==", "-"))
    if not (folder / ".ready").exists():
        print(f"installing {contender.requirements[0]} into {folder} ...", flush=True)
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", folder], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", folder / "bin/python", *contender.requirements], check=True
        )
        (folder / ".ready").touch()
    return folder.resolve() / "bin"


@dataclass(frozen=True)
class Running:
    """A server that answers rightly."""

    port: int
    process: psutil.Process
    first_answer_s: float

    @property
    def memory_mib(self) -> float:
        """Resident memory of it and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(each.memory_info().rss for each in family) / 2**20


@contextmanager
def running(contender: Contender, folder: Path, expected: networks.Array) -> Iterator[Running]:
    """Start `contender` on its core and check its answer against ONNX Runtime's."""
    bin_ = install(contender)
    port = free_port()
    program, *arguments = contender.command(folder, port)
    path = program if Path(program).is_absolute() else str(bin_ / program)
    threads = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    environment = {**os.environ, **threads, **contender.environment}
    log = (folder / "server.log").open("wb")
    began = time.monotonic()
    with (
        log,
        subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, path, *arguments], env=environment, stdout=log, stderr=log
        ) as server,
    ):
        try:
            _await_right_answer(contender.question, port, expected, server, folder / "server.log")
            yield Running(port, psutil.Process(server.pid), time.monotonic() - began)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            server.kill()


def free_port() -> int:
    """A port of the loopback address that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ask(question: Question, port: int) -> list[float] | None:
    """One answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{question.path}", question.body, dict(question.headers))
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
    return question.read(body, headers) if question.read else None


def _await_right_answer(
    question: Question, port: int, expected: networks.Array, server: "subprocess.Popen[bytes]", log: Path
) -> None:
    deadline = time.monotonic() + UP_LIMIT
    while True:
        try:
            answer = ask(question, port)
            break
        except (OSError, KeyError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no answer: {log.read_text()[-2000:]}") from None
            time.sleep(0.02)
    if answer is not None:
        np.testing.assert_allclose(answer, expected.ravel(), rtol=1e-4, atol=1e-5)
