"""A running server is fed hostile and broken models: each is refused by its code, in time, and nobody notices."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from edgemodel.wish import Artifact
from tests.unit.inference_pod.hostile_bundles import HOSTILE
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish

MIB = 2**20


@dataclass
class Victim:
    """A pod that serves a sound version, and its memory before the first hostile one."""

    pod: Pod
    good: Artifact
    memory: int
    fed: int = field(default=0)

    def feed(self, bad: Artifact) -> tuple[str, float]:
        """Wish for `bad`; the code that it is refused by, and the seconds until then."""
        self.fed += 1
        begun = time.monotonic()
        self.pod.wish(wish(bad, self.good, revision=self.fed + 1))
        wait_until(lambda: self._refusal(bad), "a refusal")
        return self._refusal(bad), time.monotonic() - begun

    def _refusal(self, bad: Artifact) -> str:
        return next((str(r["reason"]) for r in self.pod.worker()["refused"] if r["digest"] == bad.digest), "")


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    pod = Pod(folder)
    good = bundle(folder, "good")
    pod.wish(wish(good))
    pod.start()
    pod.await_revision(1)
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    yield Victim(pod, good, memory(pod))
    assert pod.process is not None
    pod.process.kill()
    pod.process.wait()


def memory(pod: Pod) -> int:
    """Bytes that the worker holds now."""
    return int(psutil.Process(pod.worker_pid()).memory_info().rss)


@pytest.mark.parametrize("what", HOSTILE)
def test_it_is_refused_by_its_code_in_ten_seconds_and_serving_goes_on(victim: Victim, origin: Path, what: str) -> None:
    write, code = HOSTILE[what]
    worker = victim.pod.worker_pid()
    refused, seconds = victim.feed(write(origin))
    status, answer = ask(victim.pod.port, "POST", INFER, BODY)
    busy = {"JailTimeout"} if code == "TooSlow" else set()  # a machine with no time to spare gives up by the clock
    assert refused in {code} | busy
    assert (status, '"model_version":"good"' in answer) == (200, True)
    assert seconds <= 10
    assert victim.pod.worker_pid() == worker, "the worker never noticed"


def test_after_all_of_them_the_server_has_not_grown(victim: Victim) -> None:
    assert victim.fed or len(HOSTILE) >= 40
    assert memory(victim.pod) - victim.memory <= 32 * MIB
