"""A running server is fed hostile and broken models: each is refused by its code, in time, and nobody notices.

A caller asks all the while.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from edgemodel.wish import Artifact
from edgemodel_inference.model import jail
from tests.unit.inference_pod.hostile_bundles import HOSTILE
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish

MIB = 2**20
TRIAL = 2
"""Seconds of computing that each of them is given."""


@dataclass
class Victim:
    """A pod that serves a sound version, and its memory before the first hostile one."""

    pod: Pod
    good: Artifact
    memory: int
    fed: set[str] = field(default_factory=set)
    callers: set[tuple[int, bool]] = field(default_factory=set)
    """What callers got meanwhile: the status, and whether the sound version answered."""

    def feed(self, what: str, folder: Path) -> tuple[str, float]:
        """Wish for the hostile bundle called `what`; the code that it is refused by, and the seconds until then."""
        bad = HOSTILE[what][0](folder)
        self.fed.add(what)
        begun = time.monotonic()
        self.pod.wish(wish(bad, self.good, revision=len(self.fed) + 1))
        wait_until(lambda: self._refusal(bad), "a refusal", 90)
        return self._refusal(bad), time.monotonic() - begun

    def _refusal(self, bad: Artifact) -> str:
        status, answer = ask(self.pod.port, "POST", INFER, BODY)
        self.callers.add((status, '"model_version":"good"' in answer))
        return next((str(r["reason"]) for r in self.pod.worker()["refused"] if r["digest"] == bad.digest), "")

    @property
    def grown(self) -> int:
        """Bytes that the server holds more than before."""
        return memory(self.pod) - self.memory


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    pod = Pod(folder)
    good = bundle(folder, "good")
    pod.wish(wish(good))
    pod.start(EDGEMODEL_TRIAL_SECONDS=str(TRIAL))
    pod.await_revision(1)
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    yield Victim(pod, good, memory(pod))
    assert pod.process is not None
    pod.process.kill()
    pod.process.wait()


def memory(pod: Pod) -> int:
    """Bytes that supervisor and worker hold now."""
    assert pod.process is not None
    return sum(int(psutil.Process(pid).memory_info().rss) for pid in (pod.process.pid, pod.worker_pid()))


@pytest.mark.parametrize("what", HOSTILE)
def test_it_is_refused_by_its_code_in_time_and_serving_goes_on(victim: Victim, origin: Path, what: str) -> None:
    code = HOSTILE[what][1]
    worker = victim.pod.worker_pid()
    refused, seconds = victim.feed(what, origin)
    busy = {"JailTimeout"} if code == "TooSlow" else set()  # a machine with no time to spare gives up by the clock
    assert refused in {code} | busy
    assert seconds <= jail.START + jail.BY_THE_CLOCK * TRIAL + jail.LONGEST, "what the jail allows on a busy machine"
    assert victim.callers == {(200, True)}
    assert victim.pod.worker_pid() == worker, "the worker never noticed"
    assert victim.grown <= 32 * MIB


def test_after_forty_and_more_of_them_the_server_has_not_grown(victim: Victim, origin: Path) -> None:
    for number, what in enumerate(HOSTILE.keys() - victim.fed):  # all of them where this test runs alone
        victim.feed(what, origin / str(number))
    assert len(victim.fed) >= 40
    assert victim.grown <= 32 * MIB
