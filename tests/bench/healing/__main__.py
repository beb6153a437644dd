"""From a fault to twenty good answers, ours beside Prometheus with Alertmanager and the kubelet: `make bench-healing`.

A version that serves begins to fail at a random moment. A caller who asks 250 times a second counts from the first bad
answer until twenty good ones in a row were there. All contenders stand ready side by side, each with a caller who asks
slowly. A round has each of them fail once, one after the other in shuffled order; what takes less than a second fails
several times, and the mean counts. Ratios are taken within a round. Written to build/bench/healing.json after each.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from lab.errors import LabError
from tests.bench.healing.alerting import PROGRAMS, SILENT, Alerting, Pace
from tests.bench.healing.caller import Healed
from tests.bench.healing.kubelet import kubelet
from tests.bench.healing.ours import DEFAULTS, DOCUMENTED, TUNED, Arriving, Contender, Ours, serve
from tests.bench.ratios import Row, ratio, report
from tests.bench.serving.contenders import BUILD

LIMIT = 120.0
"""Longest that is waited for the twenty good answers."""
OFTEN = 8
"""Trials in a round of what takes less than a second: by the fault's moment alone one may be a third off."""

Stage = Callable[[contextlib.ExitStack, Path, str], Contender]


def _ours(config: str, period: float, trials: int = 1, kind: type[Ours] = Ours) -> Stage:
    return lambda stack, folder, name: kind(name, period, serve(stack, folder, config), trials)


def _alerting(pace: Pace, trials: int = 1) -> Stage:
    def build(stack: contextlib.ExitStack, folder: Path, name: str) -> Contender:
        server = serve(stack, folder, SILENT)
        return stack.enter_context(contextlib.closing(Alerting(name, server, pace, folder, trials)))

    return build


def _kubelet(stack: contextlib.ExitStack, folder: Path, name: str) -> Contender:
    return stack.enter_context(kubelet(name, folder))


DEFAULTS_OF_PROMETHEUS, TUNED_PROMETHEUS = Pace(scrape=15, group_wait=30), Pace(scrape=1, group_wait=0)
OURS: dict[str, Stage] = {
    "default": _ours(DEFAULTS, 10.0),
    "documented": _ours(DOCUMENTED, 2.0),
    "documented-arriving": _ours(DOCUMENTED, 2.0, kind=Arriving),
    "tuned": _ours(TUNED, 0.05, OFTEN),
    "tuned-again": _ours(TUNED, 0.05, OFTEN),
    "tuned-arriving": _ours(TUNED, 0.05, OFTEN, Arriving),
}
CONTROL = "tuned-again", "tuned"
PEERS: dict[str, tuple[Stage, float]] = {
    "prometheus": (_alerting(DEFAULTS_OF_PROMETHEUS), 0.02),
    "prometheus-tuned": (_alerting(TUNED_PROMETHEUS, 3), 0.2),
    "kubelet": (_kubelet, 0.1),
}
"""How they are made, and the goal for our time over theirs."""

OPTIONAL = [name for name in (*OURS, *PEERS) if name not in CONTROL]

Seconds = dict[str, list[float]]


@dataclass
class Book:
    """Seconds by contender, one figure a round: until the last bad answer, and until twenty good ones were there."""

    healed: Seconds
    bad_for: Seconds

    def note(self, contender: Contender) -> None:
        """One round of `contender`."""
        found = [_fail(contender) for _ in range(contender.trials)]
        self.healed.setdefault(contender.name, []).append(fmean(each.seconds for each in found))
        self.bad_for.setdefault(contender.name, []).append(fmean(each.bad_for for each in found))
        _tell(f"    {contender.name:<24} {self.healed[contender.name][-1]:8.3f} s")


def _fail(contender: Contender) -> Healed:
    """One trial; one that went wrong is told and repeated once."""
    try:
        return _try(contender)
    except (RuntimeError, LabError) as error:
        _tell(f"    {contender.name}: once more: {error}")
        contender.recover()
        return _try(contender)


def _try(contender: Contender) -> Healed:
    contender.make_ready()
    contender.caller.hurry()
    time.sleep(contender.period * random.uniform(1, 2))  # noqa: S311 (no secret)
    contender.caller.watch()
    contender.begin_fault()
    healed = contender.caller.await_healed(LIMIT)
    contender.recover()
    return healed


def main() -> int:
    """Play the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.healing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--without", nargs="+", default=[], choices=OPTIONAL, help="leave these out")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    BUILD.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, contextlib.ExitStack() as stack:
        contenders, missing = _come_up(stack, Path(scratch), asked.without)
        book = Book({}, {})
        for number in range(asked.rounds):
            _tell(f"  round {number + 1} of {asked.rounds}, after {time.monotonic() - began:.0f} s")
            for contender in random.sample(contenders, len(contenders)):
                book.note(contender)
            (BUILD / "healing.json").write_text(json.dumps(_dump(book, missing), indent=1))
        figures = _dump(book, missing) | _report(book)
    (BUILD / "healing.json").write_text(json.dumps(figures, indent=1))
    print(f"written to {BUILD / 'healing.json'} after {time.monotonic() - began:.0f} s")
    return 2 if figures["void"] or missing else 0


def _come_up(
    stack: contextlib.ExitStack, scratch: Path, without: Sequence[str]
) -> tuple[list[Contender], dict[str, str]]:
    """Those that are ready to fail, and why a peer is not."""
    every = {**OURS, **{name: stage for name, (stage, _) in PEERS.items()}}
    stages = {name: stage for name, stage in every.items() if name not in without}
    contenders, missing = [], {}
    for number, (name, stage) in enumerate(stages.items()):
        _tell(f"  {name} ...")
        try:
            contenders.append(stage(stack, scratch / str(number), name))
        except (RuntimeError, OSError, LabError) as error:
            if name in OURS:
                raise
            missing[name] = str(error)[:500]
            print(f"  NOT MEASURED: {name}: {missing[name]}")
    return contenders, missing


def _report(book: Book) -> dict[str, Any]:
    print("seconds from the first bad answer to twenty good ones in a row: median of the rounds (least to most)")
    for name, values in book.healed.items():
        print(f"  {name:<24} {median(values):8.3f} ({min(values):.3f} to {max(values):.3f})")
    rows = [
        Row(f"ours, {mine}, over {theirs}", ratio(book.healed[mine], book.healed[theirs]), at_most=goal)
        for theirs, (_, goal) in PEERS.items()
        for mine in OURS
        if theirs in book.healed and mine in book.healed and mine != CONTROL[0]
    ]
    again, once = CONTROL
    return report("ratios, ours over theirs", rows, ratio(book.healed[again], book.healed[once]))


def _dump(book: Book, missing: dict[str, str]) -> dict[str, Any]:
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "versions": {program: _version(program) for program in PROGRAMS},
        "seconds": book.healed,
        "bad_for": book.bad_for,
        "not_measured": missing,
    }


def _version(program: str) -> str:
    if shutil.which(program) is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).partition("(")[0].strip()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
