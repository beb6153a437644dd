"""Distillation on Fashion-MNIST: `make bench-distill-quick` (one seed) and `make bench-distill` (five seeds, hours).

Several trainings run at once, each on one core. What is done is kept under build/bench/distill/, so that a run which
was stopped goes on. The table is build/bench/distill.json, written anew after each part; a seed counts in a scene as
soon as it is done there, and what has not been run is named.
"""

import argparse
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import onnxruntime
import torch

from tests.bench.distillation import scenes
from tests.bench.distillation.ground import THREADS
from tests.bench.distillation.order import Order, ground, run
from tests.bench.distillation.tables import Figures, rounded, summarise, timed

ASSETS = Path(__file__).parent / "assets"
RESULT = Path("build/bench/distill.json")
SCENES = ("low_label", "drift", "all_labels", "compressed", "reference_loop")
TIMES = "times"


def main() -> int:
    """Run the scenes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, short trainings")
    parser.add_argument("--seeds", type=int, help="default: 5, or 1 with --quick")
    parser.add_argument("--scenes", nargs="+", default=[*SCENES, TIMES], choices=[*SCENES, TIMES])
    parser.add_argument("--teachers", type=Path, default=ASSETS, help="folder with teacher.onnx and hardened.onnx")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), help="trainings at once (default: %(default)s)"
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; what is done is kept"))
    for name in ("teacher.onnx", "hardened.onnx"):
        if not (asked.teachers / name).exists():
            print(f"{asked.teachers / name} is not there: make bench-distill-teachers", file=sys.stderr)
            return 1
    order, seeds = Order(asked.teachers, asked.quick), range(asked.seeds or (1 if asked.quick else 5))
    order.kept.clear_others()
    report = _Report(order, seeds)
    parts = [(scene, seed) for scene in SCENES if scene in asked.scenes for seed in seeds]
    _train(order, parts, asked.processes, report)
    if TIMES in asked.scenes:
        print("times: the forms beside each other, nothing else runs here", flush=True)
        report.times = scenes.times(ground(order))
        report.write()
    print(RESULT.read_text())
    return 0


def _train(order: Order, parts: Sequence[tuple[str, int]], processes: int, report: "_Report") -> None:
    """Run the scenes that were not run yet, several at once; a failed one ends the run, and nothing done is lost."""
    todo = [part for part in parts if order.kept.rights(*part) is None]
    print(f"{len(parts) - len(todo)} of {len(parts)} trainings are done already", flush=True)
    report.write()
    began = time.monotonic()
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawning, initializer=torch.set_num_threads, initargs=(THREADS,)) as pool:
        running = {pool.submit(run, order, scene, seed): (scene, seed) for scene, seed in todo}
        try:
            for number, future in enumerate(as_completed(running), 1):
                scene, seed = running[future]
                future.result()
                report.write()
                told = f"{scene}, seed {seed}: {order.kept.seconds(scene, seed):.0f} s"
                print(f"{told}; {number} of {len(todo)} after {time.monotonic() - began:.0f} s", flush=True)
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()  # a training takes minutes; what is done is kept
            raise


class _Report:
    """What build/bench/distill.json says."""

    def __init__(self, order: Order, seeds: Sequence[int]) -> None:
        self._order = order
        self._seeds = seeds
        self._head = {
            "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
            "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
            "scale": repr(order.scale),
            "teacher_accuracy": rounded(ground(order).right_of_teacher.mean()),
        }
        self.times: Mapping[str, Mapping[str, float]] | None = None

    def write(self) -> None:
        """Write it from what is kept."""
        report: Figures = {**self._head, "seeds": {}, "seconds": {}, "not_run": []}
        for scene in SCENES:
            done = [seed for seed in self._seeds if self._order.kept.rights(scene, seed) is not None]
            report["seeds"][scene] = len(done)
            report["not_run"] += [f"{scene}, seed {seed}" for seed in self._seeds if seed not in done]
            if done:
                report |= summarise(scene, [self._order.kept.rights(scene, seed) or {} for seed in done])
                report["seconds"][scene] = [round(self._order.kept.seconds(scene, seed)) for seed in done]
        for name, figures in (timed(self.times) if self.times else {}).items():
            report[name] = {**report.get(name, {}), **figures}
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
