"""What is measured: the first convergence, changes beside the raw loop, rest. Seconds, requests, memory."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.apiserver.operator_process import wait_for
from tests.bench.operator.fleet import PATIENCE, Model
from tests.bench.operator.ground import INTERVAL, Ground
from tests.bench.operator.ledger import reads, writes
from tests.bench.operator.process import Usage
from tests.bench.operator.twins import RawLoop
from tests.bench.ratios import Ratio, Row, ratio, report, show

OURS, AGAIN, RAW, RAW_SEVERAL = "ours", "ours again", "raw loop", "raw loop, 4 connections"
SEVERAL = 4
"""The operator's default workers: so many EdgeModels are written at once."""
NUDGES = "patch pods"
MOST_WRITES, MOST_MIB = 2, 120
Figures = dict[str, Any]


def first(place: Ground) -> Figures:
    """All EdgeModels are created, while the operator runs; then all their pods."""
    count = len(place.fleet.models)
    place.start_operator()
    empty = place.usage
    began = time.monotonic()
    place.fleet.make_models()
    created = time.monotonic() - began
    made = place.fleet.wait("children", lambda model: model.observed >= 1 and model.threshold is not None) - began
    tell(f"{count} EdgeModels created in {created:.1f} s, all children there after {made:.1f} s")
    place.ledger.at_rest()
    children = place.ledger.read()
    began = time.monotonic()
    place.fleet.make_pods()
    shown = time.monotonic() - began
    ready = place.fleet.wait("Ready", lambda model: model.ready) - began
    tell(f"pods made in {shown:.1f} s, all EdgeModels Ready after {ready:.1f} s")
    good = place.fleet.wait("proved good", lambda model: model.good) - began
    place.ledger.at_rest(1.5 * INTERVAL)
    all_writes = place.ledger.read()
    found: Figures = {
        "created_s": created,
        "children_s": made,
        "pods_made_s": shown,
        "ready_s": ready,
        "good_s": good,
        "writes_to_children": dict(writes(children)),
        "writes_to_ready": dict(writes(all_writes - children)),
        "reads": reads(all_writes),
        "usage": {"empty": asdict(empty), "ready": asdict(place.usage)},
    }
    print(f"first convergence of {count}: children {made:.1f} s (created in {created:.1f}), Ready {ready:.1f} s after")
    print(f"  writes per EdgeModel: {_per(writes(children), count)}")
    print(f"  more until its version is proved good, {good:.1f} s: {_per(writes(all_writes - children), count)}")
    return found


def changes(place: Ground, raw: RawLoop, rounds: int) -> Figures:
    """One change to each EdgeModel, and the raw loop, in shuffled order in each round."""
    counted: list[Counter[str]] = []
    cpu: list[float] = []
    sent: list[float] = []
    numbers = iter(range(1, 10_000))

    def change() -> float:
        before, busy = place.ledger.read(), place.usage.cpu_s
        seconds, sending = _change(place, 100.0 + next(numbers))
        sent.append(sending)
        counted.append(place.ledger.at_rest() - before)
        cpu.append(place.usage.cpu_s - busy)
        return seconds

    contenders: dict[str, Callable[[], float]] = {
        OURS: change,
        AGAIN: change,
        RAW: lambda: raw.run(1),
        RAW_SEVERAL: lambda: raw.run(SEVERAL),
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    change()  # warm
    raw.run(1)
    for entries in (counted, cpu, sent):
        entries.clear()
    for number in range(rounds):
        for name in random.sample(list(contenders), len(contenders)):
            found[name].append(contenders[name]())
            tell(f"round {number + 1} of {rounds}: {name} {found[name][-1]:.2f} s")
    return _table(place, found, counted) | {
        "seconds": found,
        "sent_s": sent,
        "cpu_s": cpu,
        "requests": [dict(entry) for entry in counted],
        "usage": asdict(place.usage),
    }


def restart(place: Ground) -> Figures:
    """Another operator's process begins with all that is there."""
    count = len(place.fleet.models)
    before = place.ledger.at_rest()
    place.operator.stop()
    began = time.monotonic()
    place.start_operator()

    def looked() -> bool:
        try:
            return place.operator.ticks >= count
        except OSError:  # it has too much to do to answer
            return False

    wait_for("a look at each", looked, within=PATIENCE)
    seconds = time.monotonic() - began
    asked, used = place.ledger.at_rest(1.5 * INTERVAL) - before, place.usage
    written = float(writes(asked).total())
    rows = [Row("writes of an operator that starts anew", among([written]), at_most=0), _memory(used)]
    print(f"started anew: each of {count} EdgeModels was looked at after {seconds:.1f} s")
    return {"rows": show(rows), "requests": dict(asked), "seconds": seconds, "usage": asdict(used)}


def rest(place: Ground, seconds: int) -> Figures:
    """Nothing is changed; the nodes' counters go on. As long as the watches live, they begin anew."""
    place.ledger.at_rest()
    before, busy, began, readings = place.ledger.read(), place.usage, time.monotonic(), place.fleet.readings
    tell(f"at rest for {seconds} s")
    time.sleep(seconds)
    asked, now = place.ledger.read() - before, place.usage
    share = (now.cpu_s - busy.cpu_s) / (time.monotonic() - began)
    rows = [Row("writes at rest", among([float(writes(asked).total())]), at_most=0), _memory(now)]
    readings = place.fleet.readings - readings
    print(f"at rest for {seconds} s, {readings} readings of the signals: {share:.1%} of a core, {reads(asked)} reads")
    return {
        "rows": show(rows),
        "requests": dict(asked),
        "core_share": share,
        "readings": readings,
        "usage": asdict(now),
    }


def among(values: list[float]) -> Ratio:
    """The middle one, the least and the most."""
    return Ratio(sorted(values)[len(values) // 2], min(values), max(values))


def tell(line: str) -> None:
    """Say how far it is."""
    print(f"  {line}", file=sys.stderr, flush=True)


def _change(place: Ground, threshold: float) -> tuple[float, float]:
    """Seconds from the first of the user's changes until all are carried out, and until the last was sent."""

    def done(model: Model) -> bool:
        read = model.observed == model.generation and model.threshold == threshold
        return read and model.nudge == model.revision

    began = time.monotonic()
    place.fleet.change(threshold)
    sent = time.monotonic() - began
    return place.fleet.wait("the change", done) - began, sent


def _table(place: Ground, found: dict[str, list[float]], counted: "list[Counter[str]]") -> Figures:
    count = len(place.fleet.models)
    nudges = [entry[NUDGES] / count for entry in counted]
    others = [(writes(entry).total() - entry[NUDGES]) / count for entry in counted]
    rows = [
        Row("changes per second over the raw loop's", ratio(found[RAW], found[OURS]), at_least=0.5),
        Row("over that of the raw loop with 4 connections", ratio(found[RAW_SEVERAL], found[OURS])),
        Row("writes per change, nudges apart (least and most)", among(others), at_most=MOST_WRITES),
        Row("nudges per change (least and most)", among(nudges)),
        Row("reads per change (least and most)", among([reads(entry) / count for entry in counted])),
        _memory(place.usage),
    ]
    control = ratio(found[AGAIN], found[OURS])
    return report(f"one change to each of {count} EdgeModels", rows, control)


def _memory(used: Usage) -> Row:
    most = Ratio(used.resident_mib, used.resident_mib, used.peak_mib)
    return Row("resident memory in MiB (now and at most)", most, at_most=MOST_MIB)


def _per(counted: "Counter[str]", count: int) -> str:
    return ", ".join(f"{what} {number / count:.2f}" for what, number in sorted(counted.items()))
