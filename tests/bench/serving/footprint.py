"""Memory after some thousand requests, and the time from the start to the first right answer: what a restart costs.

And from the end of our worker, killed, to the next right answer.
"""

import contextlib
import random
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.bench.ratios import Row, ratio, report
from tests.bench.serving import networks
from tests.bench.serving.contenders import AGAIN, KSERVE_V1, MLSERVER, OURS, UP_LIMIT, Running, ask, running
from tests.bench.serving.load import Load, measure
from tests.bench.serving.rounds import median

ROUNDS = 11
PROMISED = {"memory, MiB": 130.0, "start to the first answer, s": 1.5, "worker killed to the next answer, s": 1.0}


def footprint(folder: Path) -> dict[str, Any]:
    """Ours beside KServe and MLServer, each started anew in each round."""
    expected = networks.run((folder / "model.onnx").read_bytes(), networks.row())
    memory: dict[str, list[float]] = {}
    start: dict[str, list[float]] = {}
    replaced: list[float] = []
    contenders = [OURS, AGAIN, KSERVE_V1, MLSERVER]
    for _ in range(ROUNDS):
        for contender in random.sample(contenders, len(contenders)):
            try:
                with running(contender, folder, expected) as server:
                    measure(contender.question, server.port, folder, Load(4, 1))
                    memory.setdefault(contender.name, []).append(server.memory_mib)
                    start.setdefault(contender.name, []).append(server.first_answer_s)
                    if contender is OURS:
                        replaced.append(_replace_worker(server))
            except (RuntimeError, subprocess.SubprocessError) as error:
                if not contender.requirements:
                    raise
                print(f"  NOT MEASURED: {contender.name}: {error!s:.500}")
                contenders.remove(contender)
    print(f"footprint, {ROUNDS} starts each")
    for name, values in memory.items():
        print(f"  {name:<24} {median(values):>6.0f} MiB  {median(start[name]):>5.2f} s to the first answer")
    rows = []
    for peer in (KSERVE_V1, MLSERVER):
        if peer in contenders:
            rows += [
                Row(f"memory over {peer.name}", ratio(memory[OURS.name], memory[peer.name]), at_most=0.6),
                Row(f"start over {peer.name}", ratio(start[OURS.name], start[peer.name]), at_most=0.4),
            ]
    figures = {"memory_mib": memory, "first_answer_s": start, "replaced_s": replaced}
    for (what, most), values in zip(PROMISED.items(), (memory[OURS.name], start[OURS.name], replaced), strict=True):
        rows.append(Row(f"{what}, over the {most:g} that are promised", ratio(values, [most] * ROUNDS), at_most=1.0))
    return {**figures, **report("ratios", rows, ratio(memory[AGAIN.name], memory[OURS.name]))}


def _replace_worker(server: Running) -> float:
    """Kill our worker; seconds until another one answers, on the same socket."""
    (worker,) = server.process.children()
    killed = time.monotonic()
    worker.kill()
    while time.monotonic() < killed + UP_LIMIT:
        with contextlib.suppress(OSError):  # what the dead one held
            ask(OURS.question, server.port)
            return time.monotonic() - killed
    raise RuntimeError(f"no answer within {UP_LIMIT:.0f} s after the worker was killed")
