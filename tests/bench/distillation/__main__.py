"""Distillation on Fashion-MNIST: `make bench-distill-quick` (one seed) and `make bench-distill` (five seeds, hours).

Writes build/bench/distill.json after each scene, and prints the table. A scene that is not run is named.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from scipy import stats

from edgemodel.distillation import Augment, Method
from tests.bench.distillation import scenes
from tests.bench.distillation.ground import Asked, Ground, Right, Scale

ASSETS = Path(__file__).parent / "assets"
RESULT = Path("build/bench/distill.json")
SCENES = ("low_label", "drift", "all_labels", "reference_loop", "compressed")
QUICK = Scale(low_epochs=60, all_epochs=5, heal_epochs=10, prune_epochs=3, heal_samples=(500,))
FULL = Scale(
    low_epochs=120,
    all_epochs=30,
    heal_epochs=20,
    prune_epochs=15,
    heal_samples=(100, 500, 2000),
    method=Method(augment=Augment(shift=2, flip=True, noise=0)),
)
Figures = dict[str, Any]


def main() -> int:
    """Run the scenes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, short trainings")
    parser.add_argument("--seeds", type=int, help="default: 5, or 1 with --quick")
    parser.add_argument("--scenes", default=",".join(SCENES), help=f"some of {','.join(SCENES)}")
    parser.add_argument("--teachers", type=Path, default=ASSETS, help="folder with teacher.onnx and hardened.onnx")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    plain, hardened = asked.teachers / "teacher.onnx", asked.teachers / "hardened.onnx"
    if not plain.exists():
        print(f"{plain} is not there: python -m tests.bench.distillation.teacher {plain}", file=sys.stderr)
        return 1
    torch.set_num_threads(asked.threads)
    ground = Ground(
        Asked(plain, asked.threads),
        Asked(hardened, asked.threads) if hardened.exists() else None,
        QUICK if asked.quick else FULL,
        asked.threads,
    )
    seeds = range(asked.seeds or (1 if asked.quick else 5))
    _run(ground, [scene for scene in SCENES if scene in asked.scenes.split(",")], seeds)
    print(RESULT.read_text())
    return 0


def _run(ground: Ground, wanted: Sequence[str], seeds: Sequence[int]) -> None:
    told = ground.plain(ground.test.inputs).argmax(axis=1) == ground.test.labels
    report: Figures = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
        "seeds": len(seeds),
        "scale": {"quick": ground.scale == QUICK},
        "teacher_accuracy": _rounded(told.mean()),
        "not_run": [scene for scene in SCENES if scene not in wanted],
    }
    for scene in wanted:
        began = time.monotonic()
        if scene == "drift" and ground.hardened is None:
            report["not_run"].append("drift: there is no hardened teacher")
            continue
        if scene == "compressed":
            report |= _compressed(ground, seeds)
        else:
            report[scene] = summarise(scene, [getattr(scenes, scene)(ground, seed) for seed in seeds])
        report.setdefault("seconds", {})[scene] = round(time.monotonic() - began)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(report, indent=1) + "\n")
        print(f"{scene}: {report['seconds'][scene]} s", flush=True)


def summarise(scene: str, runs: Sequence[Mapping[str, Right]]) -> Figures:
    """A scene's figures by name, from one run for each seed."""
    rights = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    figures: Figures = {name: _rounded(right.mean()) for name, right in rights.items()}
    match scene:
        case "low_label":
            figures["gain"] = difference(rights["distilled"], rights["alone"])
            figures["share"] = _share(figures["alone"], figures["distilled"], figures["all_labels"])
        case "drift":
            figures["gain"] = difference(rights["after_500"], rights["before"])
            figures["clean_loss"] = difference(rights["clean_before"], rights["clean_after"])
            figures["share"] = _share(figures["before"], figures["after_500"], figures["teacher"])
        case "all_labels":
            figures["gain"] = difference(rights["distilled"], rights["alone"])
            figures["share"] = _share(figures["alone"], figures["distilled"], figures["teacher"])
        case "reference_loop":
            figures["difference"] = difference(rights["job"], rights["reference"])
    return figures


def _compressed(ground: Ground, seeds: Sequence[int]) -> Figures:
    """The latencies are those of the last seed: they do not depend on what was learnt."""
    runs = [scenes.compressed(ground, seed) for seed in seeds]
    rights = {name: np.stack([run[0][name] for run in runs]) for name in runs[0][0]}
    figures = runs[-1][1]
    accuracy = {name: _rounded(right.mean()) for name, right in rights.items()}
    return {
        "int8": {
            "accuracy": accuracy["int8-static"],
            "fp32_accuracy": accuracy["fp32"],
            "loss": difference(rights["fp32"], rights["int8-static"]),
            "speedup_b16": round(1 / figures["int8-static"]["time_b16"], 3),
            "size_ratio": round(figures["int8-static"]["size"] / figures["fp32"]["size"], 3),
        },
        "pruned": {
            "accuracy": accuracy["pruned-fp32"],
            "loss": difference(rights["fp32"], rights["pruned-fp32"]),
            "macs_ratio": round(figures["pruned-fp32"]["macs"] / figures["fp32"]["macs"], 3),
            "time_b16": round(figures["pruned-fp32"]["time_b16"], 3),
        },
        "stacked": {
            "accuracy": accuracy["pruned-int8-static"],
            "teacher_time_b16": round(figures["teacher"]["time_b16"] / figures["pruned-int8-static"]["time_b16"], 1),
        },
        "times_over_fp32": {n: {k: round(v, 3) for k, v in f.items() if "time" in k} for n, f in figures.items()},
    }


def difference(ours: Right, theirs: Right) -> Figures:
    """Points between two, and the 90 % interval: over the seeds from three on, else over the test's images, paired."""
    points = 100 * (ours.astype(float) - theirs)
    sample = points.mean(axis=1) if len(points) > 2 else points.ravel()
    half = stats.t.ppf(0.95, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
    middle = float(points.mean())
    over = "seeds" if len(points) > 2 else "images"
    return {"points": round(middle, 2), "low": round(middle - half, 2), "high": round(middle + half, 2), "over": over}


def _share(start: float, got: float, goal: float) -> float | None:
    return round((got - start) / (goal - start), 3) if goal > start else None


def _rounded(share: float) -> float:
    return round(float(share), 4)


if __name__ == "__main__":
    sys.exit(main())
