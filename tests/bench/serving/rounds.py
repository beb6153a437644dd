"""Rounds: all servers are up, one is asked at a time, in an order that is shuffled anew each round."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import onnxruntime

from tests.bench.serving import networks
from tests.bench.serving.contenders import Contender, Running, running
from tests.bench.serving.load import Load, Measured, measure

Found = dict[str, list[Measured]]


def come_up(stack: contextlib.ExitStack, contenders: Sequence[Contender], folder: Path) -> dict[str, Running]:
    """Start those that come up; one that does not is told and left out, unless it is ours."""
    expected = networks.run((folder / "model.onnx").read_bytes(), networks.row())
    up: dict[str, Running] = {}
    for contender in contenders:
        try:
            up[contender.name] = stack.enter_context(running(contender, folder, expected))
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            if not contender.requirements:
                raise
            print(f"  NOT MEASURED: {contender.name}: {error!s:.500}", file=sys.stderr)
    return up


def play(contenders: Sequence[Contender], folder: Path, connections: int, rounds: int, seconds: int) -> Found:
    """What each contender did in each round, by its name."""
    with contextlib.ExitStack() as stack:
        up = come_up(stack, contenders, folder)
        there = [contender for contender in contenders if contender.name in up]
        found: Found = {contender.name: [] for contender in there}
        for contender in there:
            measure(contender.question, up[contender.name].port, folder, Load(connections, 1))  # warm
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}, {connections} connections", file=sys.stderr, flush=True)
            for contender in random.sample(there, len(there)):
                port = up[contender.name].port
                found[contender.name].append(measure(contender.question, port, folder, Load(connections, seconds)))
    return found


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def raw_run(folder: Path, rows: int = 1) -> float:
    """Seconds of one `InferenceSession.run`, the median of many: no server can be faster."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    x, runs = networks.row(rows), []
    for _ in range(300):
        began = time.perf_counter()
        session.run(None, {"x": x})
        runs.append(time.perf_counter() - began)
    return median(runs)
