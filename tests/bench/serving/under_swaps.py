"""What callers notice of another version at 70 % load: windows of a second with a swap beside windows without one."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.ratios import Row, ratio, report
from tests.bench.serving.contenders import OURS, running
from tests.bench.serving.load import Load, Measured, measure
from tests.bench.serving.networks import row, run
from tests.bench.serving.rounds import median
from tests.bench.serving.swaps import VARIANTS, Scene

CONNECTIONS = 64
SHARE = 0.7
SWAPS = 150
TELL_AFTER = 0.25
"""Seconds into a window until the version is told."""


def under_swaps(folder: Path) -> dict[str, Any]:
    """The 99th percentile of windows with a swap over that of windows without; no request may fail."""
    scene = Scene(folder)
    expected = run((folder / "model.onnx").read_bytes(), row())
    with running(OURS, folder, expected) as server:
        capacity = measure(OURS.question, server.port, folder, Load(CONNECTIONS, 2))
        pause = _pause(capacity.rate * SHARE)
        for number in range(len(VARIANTS)):  # each version is met for the first time, and passes the jail
            _window(scene, server.port, pause, VARIANTS[(number + 1) % len(VARIANTS)])
        calm, again, swapped = [], [], []
        for number in range(SWAPS):
            to = VARIANTS[(number + 2) % len(VARIANTS)]
            for found, told in random.sample([(calm, None), (again, None), (swapped, to)], 3):
                found.append(_window(scene, server.port, pause, told))
    load = median([each.rate for each in calm]) / capacity.rate
    print(f"{SWAPS} swaps at {load:.0%} of {capacity.rate:.0f} requests per second, 0 failed")
    for name, windows in (("without a swap", calm), ("with a swap", swapped)):
        p50, p99 = median([each.p50 for each in windows]), median([each.p99 for each in windows])
        print(f"  {name:<24} {p50 * 1000:>6.2f} ms median  {p99 * 1000:>6.2f} ms 99th percentile")
    rows = [Row("99th percentile with a swap over without", _over(swapped, calm), at_most=2.0)]
    figures = {"load": load, "capacity": capacity.rate, "swaps": SWAPS}
    return {**figures, **report("ratios", rows, _over(again, calm))}


def _pause(rate: float) -> float:
    """Milliseconds that each connection waits between answer and question, so that together they ask at `rate`."""
    return 1000 * CONNECTIONS / rate


def _window(scene: Scene, port: int, pause: float, to: str | None) -> Measured:
    told = threading.Timer(TELL_AFTER, scene.point, [to or ""])
    if to is not None:
        told.start()
    try:
        return measure(OURS.question, port, scene.folder, Load(CONNECTIONS, 1, pause))
    finally:
        if to is not None:
            told.join()


def _over(some: Sequence[Measured], others: Sequence[Measured]) -> Any:
    return ratio([each.p99 for each in some], [each.p99 for each in others])
