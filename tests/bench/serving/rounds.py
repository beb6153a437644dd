"""Rounds: all servers are up, one is asked at a time, in an order that is shuffled each round."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from tests.bench.serving import networks
from tests.bench.serving.contenders import Contender, Running, running
from tests.bench.serving.load import Load, Measured, measure

Found = dict[str, list[Measured]]


@dataclass(frozen=True)
class Rounds:
    """How many, and how long each measurement in them takes."""

    count: int
    seconds: int
    anew: bool = False
    """Each round has servers of its own: what a process is given at its start, as the place of its weights in memory,
    stays with it, and more rounds with the same servers do not average that out."""


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


def play(contenders: Sequence[Contender], folder: Path, connections: int, rounds: Rounds) -> Found:
    """What each contender did in each round, by its name."""
    found: Found = {contender.name: [] for contender in contenders}
    played = 0
    while played < rounds.count:
        with contextlib.ExitStack() as stack:
            up = come_up(stack, contenders, folder)
            contenders = [contender for contender in contenders if contender.name in up]
            for contender in contenders:
                measure(contender.question, up[contender.name].port, folder, Load(connections, 1))  # warm
            for _ in range(1 if rounds.anew else rounds.count):
                played += 1
                print(f"  round {played} of {rounds.count}, {connections} connections", file=sys.stderr, flush=True)
                for contender in random.sample(contenders, len(contenders)):
                    port = up[contender.name].port
                    load = Load(connections, rounds.seconds)
                    found[contender.name].append(measure(contender.question, port, folder, load))
    return {contender.name: found[contender.name] for contender in contenders}


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
