"""Our server beside others, in one run: `make bench`.

A round has every contender once, in shuffled order; the server has one core and the load generator the other. Ratios
are taken within a round. Written to build/bench/serving.json.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime

from tests.bench.serving import networks
from tests.bench.serving.contenders import ALL, BUILD, KSERVE_V1, V2_BINARY, Contender, Running, ours, running
from tests.bench.serving.load import measure
from tests.bench.serving.ratios import Ratio, ratio

CONTROL = 0.10
"""An A/A control whose interval leaves 1 ± this voids the run: the machine was busy with something else."""
Figures = dict[str, Any]


def main() -> int:
    """Run the tables and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    asked = parser.parse_args()
    missing = [command for command in ("wrk", "taskset") if shutil.which(command) is None]
    if missing or (os.cpu_count() or 1) < 2:
        print(f"want two cores, and {' and '.join(missing) or 'wrk'}: apt-get install wrk util-linux", file=sys.stderr)
        return 1
    BUILD.mkdir(parents=True, exist_ok=True)
    figures: Figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "onnxruntime": onnxruntime.__version__,
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        figures["throughput"] = throughput(_stage(folder / "small", networks.SMALL), asked.rounds, asked.seconds)
        figures["batching"] = batching(folder, asked.rounds, asked.seconds)
        figures["footprint"] = footprint(_stage(folder / "foot", networks.SMALL))
    (BUILD / "serving.json").write_text(json.dumps(figures, indent=1))
    print(f"written to {BUILD / 'serving.json'}")
    return 0 if figures["throughput"]["control_ok"] else 2


def _stage(folder: Path, sizes: tuple[int, ...] | None) -> Path:
    folder.mkdir(parents=True)
    model = networks.convolution() if sizes is None else networks.perceptron(sizes)
    (folder / "model.onnx").write_bytes(model)
    networks.bundle(folder, "bundle", model)
    return folder


def _rounds(
    contenders: tuple[Contender, ...], folder: Path, connections: int, rounds: int, seconds: int
) -> dict[str, list[tuple[float, float]]]:
    """Rate and median time by contender, a pair per round; all servers run, one is asked at a time."""
    expected = networks.run((folder / "model.onnx").read_bytes(), networks.row())
    found: dict[str, list[tuple[float, float]]] = {contender.name: [] for contender in contenders}
    with contextlib.ExitStack() as stack:
        up: dict[str, Running] = {}
        for contender in contenders:
            up[contender.name] = stack.enter_context(running(contender, folder, expected))
            measure(contender.question, up[contender.name].port, folder, connections, 1)  # warm
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}, {connections} connections", flush=True)
            for contender in random.sample(contenders, len(contenders)):
                got = measure(contender.question, up[contender.name].port, folder, connections, seconds)
                found[contender.name].append((got.rate, got.p50))
    return found


def throughput(folder: Path, rounds: int, seconds: int) -> Figures:
    """Requests per second at 16 connections and the median at one, beside the limit and the peers."""
    many = _rounds(ALL, folder, 16, rounds, seconds)
    few = _rounds(tuple(c for c in ALL if c.question in (V2_BINARY, ALL[-1].question)), folder, 1, rounds, seconds)
    control = ratio(*_rates(many, "ours again, V2 binary", "ours, V2 binary"))
    rows: Figures = {name: {"rate": _median([rate for rate, _ in pairs])} for name, pairs in many.items()}
    goals = {
        "binary over KServe V1 (goal 2.5)": ratio(*_rates(many, "ours, V2 binary", KSERVE_V1.name)),
        "JSON over KServe V1 (goal 2)": ratio(*_rates(many, "ours, V2 JSON", KSERVE_V1.name)),
        "binary over the empty answer (limit)": ratio(*_rates(many, "ours, V2 binary", "empty answer")),
        "A/A control (within 0.9 to 1.1)": control,
    }
    raw = _raw_run(folder)
    alone = [p50 for _, p50 in few["ours, V2 binary"]]
    limit = [p50 + raw for _, p50 in few["empty answer"]]
    goals["median at one connection over empty answer + raw run (goal at most 1.6)"] = ratio(alone, limit)
    print("requests per second, 16 connections, rows of 784 floats")
    for name, row in rows.items():
        print(f"  {name:<24} {row['rate']:>9.0f}")
    _print(goals)
    ok = control.low >= 1 - CONTROL and control.high <= 1 + CONTROL
    if not ok:
        print("  VOID: the control is wider than 10 %; the machine was not quiet")
    return {"rates": rows, "ratios": {name: asdict(found) for name, found in goals.items()}, "control_ok": ok}


def batching(folder: Path, rounds: int, seconds: int) -> Figures:
    """Batching on over off at 16 connections, and over ONNX Runtime's own batches of eight."""
    found: dict[str, Ratio] = {}
    for name, sizes in (("wide perceptron", networks.WIDE), ("small convolution", None)):
        stage = _stage(folder / name.replace(" ", "-"), sizes)
        pair = (ours("batching on", V2_BINARY), ours("batching off", V2_BINARY, EDGEMODEL_BATCH_SIZE="1"))
        rates = _rounds(pair, stage, 16, rounds, seconds)
        found[f"{name}: on over off (never below 0.95)"] = ratio(*_rates(rates, "batching on", "batching off"))
        eight = 8 / _raw_run(stage, 8)
        on = [rate for rate, _ in rates["batching on"]]
        found[f"{name}: on over raw batches of 8"] = ratio(on, [eight] * len(on))
    print("batching, 16 connections")
    _print(found)
    return {name: asdict(each) for name, each in found.items()}


def footprint(folder: Path) -> Figures:
    """Memory after 2,000 requests, and the time from the start to the first answer, beside KServe's."""
    expected = networks.run((folder / "model.onnx").read_bytes(), networks.row())
    found: Figures = {}
    for contender in (ALL[0], KSERVE_V1):
        with running(contender, folder, expected) as server:
            measure(contender.question, server.port, folder, 4, 2)
            found[contender.name] = {"memory_mib": server.memory_mib, "first_answer_s": server.first_answer_s}
    mine, theirs = found[ALL[0].name], found[KSERVE_V1.name]
    print("footprint")
    for name, row in found.items():
        print(f"  {name:<24} {row['memory_mib']:>6.0f} MiB  {row['first_answer_s']:>5.1f} s to the first answer")
    found["memory_ratio (goal 0.6)"] = mine["memory_mib"] / theirs["memory_mib"]
    found["start_ratio (goal 0.4)"] = mine["first_answer_s"] / theirs["first_answer_s"]
    return found


def _rates(found: dict[str, list[tuple[float, float]]], one: str, other: str) -> tuple[list[float], list[float]]:
    return [rate for rate, _ in found[one]], [rate for rate, _ in found[other]]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _raw_run(folder: Path, rows: int = 1) -> float:
    """Seconds of one `InferenceSession.run`, the median of many."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    x, runs = networks.row(rows), []
    for _ in range(300):
        began = time.perf_counter()
        session.run(None, {"x": x})
        runs.append(time.perf_counter() - began)
    return _median(runs)


def _print(found: dict[str, Ratio]) -> None:
    for name, each in found.items():
        print(f"  {name:<72} {each}")


if __name__ == "__main__":
    sys.exit(main())
