"""Our server beside others, in one run: `make bench`.

A round has every contender once, in shuffled order; the server has one core and the load generator the other. Ratios
are taken within a round, and a table whose A/A control is wide is void. Written to build/bench/serving.json after each
table; a table that could not be measured is told, and the others go on.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

from tests.bench.serving import networks
from tests.bench.serving.contenders import BUILD, KSERVE_V1, OURS
from tests.bench.serving.footprint import footprint
from tests.bench.serving.rounds import Rounds
from tests.bench.serving.speed import batching, throughput
from tests.bench.serving.swaps import swaps
from tests.bench.serving.under_swaps import under_swaps

TABLES = ("throughput", "batching", "footprint", "swaps", "under_swaps")
Figures = dict[str, Any]


def main() -> int:
    """Run the tables and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=22)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES)
    asked = parser.parse_args()
    missing = [command for command in ("wrk", "taskset") if shutil.which(command) is None]
    if missing or (os.cpu_count() or 1) < 2:
        print(f"want two cores, and {' and '.join(missing) or 'wrk'}: apt-get install wrk util-linux", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended too
    BUILD.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    figures: Figures = {"machine": machine, "onnxruntime": onnxruntime.__version__, "rounds": asked.rounds}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        measures = _tables(Path(scratch), Rounds(asked.rounds, asked.seconds), figures)
        for name in asked.tables:
            measure = measures[name]
            figures[name] = _measure(name, measure)
            (BUILD / "serving.json").write_text(json.dumps(figures, indent=1))
    print(f"written to {BUILD / 'serving.json'} after {time.monotonic() - began:.0f} s")
    return _summary(figures)


def _tables(scratch: Path, rounds: Rounds, figures: Figures) -> dict[str, Callable[[], Figures]]:
    def starts() -> dict[str, list[float]]:
        found: dict[str, list[float]] = figures.get("footprint", {}).get("first_answer_s", {})
        return {name: found[name] for name in (OURS.name, KSERVE_V1.name) if name in found}

    def together() -> Figures:
        shapes = {"wide perceptron": networks.WIDE, "small convolution": None}
        return batching({n: _stage(scratch / n.replace(" ", "-"), sizes) for n, sizes in shapes.items()}, rounds)

    return {
        "throughput": lambda: throughput(_stage(scratch / "small", networks.SMALL), rounds),
        "batching": together,
        "footprint": lambda: footprint(_stage(scratch / "foot", networks.SMALL)),
        "swaps": lambda: swaps(scratch / "swaps", starts(), rounds.count),
        "under_swaps": lambda: under_swaps(scratch / "under-swaps"),
    }


def _stage(folder: Path, sizes: tuple[int, ...] | None) -> Path:
    folder.mkdir(parents=True)
    model = networks.convolution() if sizes is None else networks.perceptron(sizes)
    (folder / "model.onnx").write_bytes(model)
    networks.bundle(folder, "bundle", model)
    return folder


def _measure(name: str, measure: Callable[[], Figures]) -> Figures:
    print(f"-- {name}", flush=True)
    try:
        return measure()
    except Exception as error:  # noqa: BLE001 (told, and the other tables go on)
        traceback.print_exc()
        print(f"  NOT MEASURED: {error!s:.1000}")
        return {"not_measured": str(error)[:1000]}


def _summary(figures: Figures) -> int:
    """What was missed, undecided, void or not measured; 2 where a table says nothing."""
    tables = {name: table for name, table in figures.items() if isinstance(table, dict)}
    silent = [name for name, table in tables.items() if "not_measured" in table or table["void"]]
    print("-- in short" + (f"; void or not measured: {', '.join(silent)}" if silent else ""))
    for name, table in tables.items():
        for what, row in table.get("rows", {}).items():
            if row["verdict"] not in {"", "met"}:
                print(f"  {row['verdict']}{' (void)' if table['void'] else ''}: {name}: {what}: {row['median']:.3g}")
    return 2 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
