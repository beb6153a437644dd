"""Plays scenarios against a real API server, each in a namespace of its own, several at once."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext

from tests.apiserver.fault_proxy import Fault, FaultProxy
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import Operator, wait_for
from tests.apiserver.plain_api import Body, PlainApi
from tests.apiserver.scenarios import PATIENCE, Run, end_of, stage
from tests.apiserver.stand_in import StandIn

AT_ONCE = 2 * (os.cpu_count() or 4)
"""Runs side by side: they wait half of the time, and each has a minute for what takes it ten seconds alone."""
NODES = ("proof-1", "proof-2")
Scenario = Callable[[Run], None]
_numbers = itertools.count(1)


@dataclass
class Theatre:
    """Everything that runs have in common."""

    server: str
    context: SSLContext
    nursery: Nursery
    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    quiet_days: dict[str, tuple[Body, int]] = field(default_factory=dict)
    """By scenario: how it ends where nothing goes wrong, and after how many writes."""

    @contextmanager
    def run(self) -> Iterator[Run]:
        """A stage on which nothing has happened yet."""
        with self.lock:
            number = next(_numbers)
        addresses = {node: f"127.{100 + number // 250}.{number % 250}.{i}" for i, node in enumerate(NODES, 1)}
        namespace, folder = f"proof-{number}", self.folder / str(number)
        folder.mkdir()
        operator = Operator(self.nursery, folder / "kubeconfig", folder, namespace)
        stand_in = StandIn(PlainApi(self.server, self.context), namespace, addresses)
        api, proxy = PlainApi(self.server, self.context), FaultProxy(self.server, self.context)
        with stage(Run(api, namespace, proxy, operator, stand_in)) as run:
            yield run

    def play(self, scenario: Scenario, faults: dict[int, Fault], wanted: Body | None = None) -> tuple[Body, int, int]:
        """How a scenario ends; how many writes there were, and how many of them went wrong.

        The end is that at rest, or where one is `wanted`, that one if it comes within a minute, and stays.
        """
        with self.run() as run:
            run.proxy.faults = faults
            scenario(run)
            if wanted is not None:
                with suppress(AssertionError):  # told by the comparison
                    wait_for("the end", lambda: end_of(run) == wanted, PATIENCE)
            run.rest()
            assert run.stand_in.most_live_jobs <= 1, run.stand_in.jobs
            return end_of(run), len(run.proxy.writes), len(run.proxy.hit)

    def quiet_day(self, scenario: Scenario) -> tuple[Body, int]:
        """How a scenario ends where nothing goes wrong, and after how many writes; played once."""
        if scenario.__name__ not in self.quiet_days:
            self.quiet_days[scenario.__name__] = self.play(scenario, {})[:2]
        return self.quiet_days[scenario.__name__]

    def sweep(self, scenario: Scenario, faults: Sequence[Fault], every: int = 1) -> str:
        """Let each write of a scenario go wrong, one in each run; what was done, in a line.

        Each run must end as the one in which nothing goes wrong. A fault befalls one in `every` writes, each fault
        others, so that with as many faults as that no write is left out.
        """
        began, failures = time.monotonic(), list[str]()
        wanted, writes = self.quiet_day(scenario)
        points = [(n, fault) for n in range(writes) for i, fault in enumerate(faults) if (n + i) % every == 0]

        def attempt(point: tuple[int, Fault]) -> int:
            number, fault = point
            try:
                end, _, hit = self.play(scenario, {number: fault}, wanted)
                assert end == wanted, f"want {wanted}, got {end}"
            except AssertionError as error:
                failures.append(f"{scenario.__name__}: {fault} at write {number} of {writes}: {error}")
                return 0
            return hit

        with ThreadPoolExecutor(AT_ONCE) as pool:
            hits = sum(pool.map(attempt, points))
        assert not failures, f"{len(failures)} of {len(points)} runs:\n" + "\n".join(failures)
        seconds = time.monotonic() - began
        return f"{scenario.__name__}: {writes} writes, {len(points)} runs, {hits} of them hit, {seconds:.0f} s"
