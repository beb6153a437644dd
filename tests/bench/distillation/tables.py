"""The figures of the scenes by name, as build/bench/distill.json has them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from tests.bench.distillation.kept import Right

Figures = dict[str, Any]


def summarise(scene: str, runs: Sequence[Mapping[str, Right]]) -> Figures:
    """A scene's figures by name, from one run for each seed."""
    rights = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    if scene == "compressed":
        return _compressed(rights)
    figures: Figures = {name: rounded(right.mean()) for name, right in rights.items()}
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
    return {scene: figures}


def _compressed(rights: Mapping[str, Right]) -> Figures:
    accuracy = {name: rounded(right.mean()) for name, right in rights.items()}
    return {
        "int8": {
            "accuracy": accuracy["int8-static"],
            "fp32_accuracy": accuracy["fp32"],
            "loss": difference(rights["fp32"], rights["int8-static"]),
        },
        "pruned": {
            "accuracy": accuracy["pruned-fp32"],
            "loss": difference(rights["fp32"], rights["pruned-fp32"]),
        },
        "stacked": {
            "accuracy": accuracy["pruned-int8-static"],
            "loss": difference(rights["fp32"], rights["pruned-int8-static"]),
        },
    }


def timed(figures: Mapping[str, Mapping[str, float]]) -> Figures:
    """What the times add to the compressed forms' figures."""
    fp32, int8, pruned, both = (figures[n] for n in ("fp32", "int8-static", "pruned-fp32", "pruned-int8-static"))
    return {
        "int8": {
            "speedup_b16": round(1 / int8["time_b16"], 3),
            "size_ratio": round(int8["size"] / fp32["size"], 3),
        },
        "pruned": {
            "macs_ratio": round(pruned["macs"] / fp32["macs"], 3),
            "time_b16": round(pruned["time_b16"], 3),
        },
        "stacked": {"teacher_time_b16": round(figures["teacher"]["time_b16"] / both["time_b16"], 1)},
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


def rounded(share: float) -> float:
    """An accuracy with four digits."""
    return round(float(share), 4)


def _share(start: float, got: float, goal: float) -> float | None:
    return round((got - start) / (goal - start), 3) if goal > start else None
