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
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Measured:
    """Requests per second, and the median time of one in seconds."""

    rate: float
    p50: float


def measure(question: Question, port: int, folder: Path, connections: int, seconds: int) -> Measured:
    """Ask without a break over `connections` kept-alive connections.

    Raises:
        RuntimeError: an answer was no success, or a connection failed.
    """
    script, body, headers = folder / "post.lua", folder / "body", folder / "headers"
    script.write_text(_SCRIPT)
    body.write_bytes(question.body)
    headers.write_text("".join(f"{name}: {value}\n" for name, value in question.headers.items()))
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    environment = {**os.environ, "BENCH_BODY": str(body), "BENCH_HEADERS": str(headers)}
    url = f"http://127.0.0.1:{port}{question.path}"
    done = subprocess.run([*command, "-s", script, url], env=environment, capture_output=True, text=True, check=False)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    median = re.search(r"50%\s+([\d.]+)(us|ms|s)\b", done.stdout)
    if done.returncode or rate is None or median is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    return Measured(float(rate[1]), float(median[1]) * _UNITS[median[2]])
