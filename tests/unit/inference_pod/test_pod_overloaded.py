"""A pod that is asked ten times as much as it can answer answers nearly as much as it can."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, load, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish

RUN = 0.1
"""Seconds of one run."""
PATIENCE = 1.0
"""Seconds after which a caller hangs up."""

SLOW = """
import time
from edgemodel_inference.model.sessions import Session
quick = Session.run
def run(*arguments):
    time.sleep({run})
    with open({counter!r}, "a") as counter:
        counter.write(".")
    return quick(*arguments)
Session.run = run
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Has a byte for each run of the model."""
    return tmp_path / "runs"


@pytest.fixture
def slow(pod: Pod, origin: Path, runs: Path) -> Pod:
    pod.in_worker = SLOW.format(run=RUN, counter=str(runs))
    pod.wish(wish(bundle(origin, "v1")))
    pod.start(EDGEMODEL_BATCH_SIZE="1")
    pod.await_ready()
    return pod


async def ask(port: int) -> int | None:
    """The answer's status, or None where the caller had to wait for too long."""
    writer = None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = (
                f"POST {INFER} HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
            )
            writer.write(f"{head}\r\n\r\n{BODY}".encode())
            return int((await reader.readline()).split()[1])
    except TimeoutError:
        return None
    finally:
        if writer is not None:
            writer.close()


async def crowd(port: int, per_second: float, seconds: float) -> list[int | None]:
    """Callers who come whether or not others were answered."""
    callers, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        callers.append(asyncio.create_task(ask(port)))
        await asyncio.sleep(1 / per_second)
    return await asyncio.gather(*callers)


def test_an_overloaded_pod_answers_most_of_what_it_runs_and_patient_callers_all_the_same(slow: Pod, runs: Path) -> None:
    before = runs.stat().st_size
    answers = asyncio.run(crowd(slow.port, per_second=10 / RUN, seconds=6.0))
    assert answers.count(200) >= 0.7 * (runs.stat().st_size - before)
    assert answers.count(503) > 0.5 * len(answers), "the others hear so at once"
    with load(slow.port, callers=24) as seen:
        wait_until(lambda: seen.good >= 30, "answers")
    assert seen.failed == {}
