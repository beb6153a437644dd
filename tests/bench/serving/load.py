"""One measurement: wrk against one running server."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.serving.contenders import LOAD_CORE, Question

_SCRIPT = """
wrk.method = "POST"
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.body = file:read("*a")
for line in io.lines(os.getenv("BENCH_HEADERS")) do
  local name, value = line:match("^(.-): (.*)$")
  wrk.headers[name] = value
end
local pause = tonumber(os.getenv("BENCH_PAUSE"))
if pause > 0 then
  function delay() return math.random(0, 2 * pause) end
end
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Measured:
    """Requests per second, and of their times in seconds the median and the 99th percentile."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Load:
    """How hard is asked: over so many kept-alive connections, for so many seconds."""

    connections: int
    seconds: int
    pause: float = 0.0
    """Milliseconds that a connection waits on average between an answer and its next question."""


def measure(question: Question, port: int, folder: Path, load: Load) -> Measured:
    """Ask, and count.

    Raises:
        RuntimeError: an answer was no success, or a connection failed.
    """
    script, body, headers = folder / "post.lua", folder / "body", folder / "headers"
    script.write_text(_SCRIPT)
    body.write_bytes(question.body)
    headers.write_text("".join(f"{name}: {value}\n" for name, value in question.headers.items()))
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--latency"]
    environment = {**os.environ, "BENCH_BODY": str(body), "BENCH_HEADERS": str(headers)}
    environment["BENCH_PAUSE"] = str(round(load.pause))
    url = f"http://127.0.0.1:{port}{question.path}"
    done = subprocess.run([*command, "-s", script, url], env=environment, capture_output=True, text=True, check=False)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    times = [re.search(rf"{share}%\s+([\d.]+)(us|ms|s)\b", done.stdout) for share in (50, 99)]
    failed = done.returncode or "Non-2xx" in done.stdout or "Socket errors" in done.stdout
    if failed or rate is None or not all(times):
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    p50, p99 = (float(found[1]) * _UNITS[found[2]] for found in times if found is not None)
    return Measured(float(rate[1]), p50, p99)
