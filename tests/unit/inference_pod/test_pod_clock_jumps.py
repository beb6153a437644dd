"""A pod whose wall clock jumps, to 1970, a year ahead and back: nobody notices but who reads the time in its logs."""

import contextlib
import functools
import http.client
import itertools
import json
import os
import signal
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgemodel.bundle import MODEL
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.wish import Artifact, Healing, LocalAction, LocalStrategy
from tests.unit.inference_pod.certificates import write_pair
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, load, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish
from tests.unit.inference_pod.wall_clock import YEAR, WallClock
from tests.unit.registry.real_registry import make_certificate
from tests.unit.registry.test_registry_plain_folders import QuietFiles, https

INTERVAL = 0.2
SETTLE = 1.0
BUSY, UNSURE = "busy", "unsure"
MANY, FEW = 0.01, 0.1
"""Seconds between two requests of a caller: several who ask often make the node busy, one who asks seldom does not."""

Jump = Callable[[WallClock], None]
FORGET: Jump = WallClock.forget
AHEAD: Jump = functools.partial(WallClock.jump, seconds=YEAR)
RIGHT: Jump = functools.partial(WallClock.jump, seconds=0)


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    folder = tmp_path / "clock"
    folder.mkdir()
    return WallClock(folder)


def watched(*actions: tuple[str, ActionType], **limits: Any) -> dict[str, Any]:
    """The rules of a wish, and what is done about them."""
    rules = (
        Rule(name=BUSY, metric="requests_per_second", operator=">", threshold=30, window=1, trigger_count=2),
        Rule(name=UNSURE, metric="model_confidence_mean", operator="<", threshold=0.4, window=2, trigger_count=2),
    )
    strategies = tuple(LocalStrategy(faults=(fault,), actions=(LocalAction(type=action),)) for fault, action in actions)
    healing = Healing(strategies=strategies, settle=SETTLE, min_samples=1, **limits)
    return {"interval": INTERVAL, "rules": rules, "healing": healing}


def journal(pod: Pod) -> list[dict[str, Any]]:
    """What the node did, as it lies on its disk."""
    file = pod.folder / "state" / "journal.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def noted(pod: Pod, kind: str, fault: str) -> list[dict[str, Any]]:
    return [entry for entry in journal(pod) if (entry["kind"], entry.get("fault")) == (kind, fault)]


def stance(pod: Pod, fault: str) -> str:
    """What the ladder of `fault` waits for."""
    return str(pod.worker()["ladders"].get(fault))


def tend(pod: Pod) -> None:
    """Make the node busy until it acts, then leave it alone until it has judged that."""
    before = len(noted(pod, "Verdict", BUSY))
    with load(pod.port, pause=MANY) as seen:
        wait_until(lambda: len(noted(pod, "Attempt", BUSY)) > before, "an action")
    wait_until(lambda: len(noted(pod, "Verdict", BUSY)) > before, "its verdict")
    assert seen.failed == {}


def samples_taken(pod: Pod, seconds: float) -> int:
    """How often the traffic was measured in so many seconds, under load. It is ready all the time."""
    values, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        assert pod.ready()
        values.append(pod.series("edgemodel_requests_per_second"))
        threading.Event().wait(0.05)
    return sum(one != other for one, other in itertools.pairwise(values))


def test_jumps_of_the_wall_clock_change_nothing_about_serving_healing_and_its_limits(
    pod: Pod, origin: Path, clock: WallClock
) -> None:
    v1, v2 = bundle(origin, "v1", scale=20.0), bundle(origin, "v2", scale=0.0)
    rules = watched((UNSURE, ActionType.SWITCH_MODEL), (BUSY, ActionType.CLEAR_CACHE))
    pod.wish(wish(v1, **rules))
    pod.start(**clock.environment)
    pod.await_revision(1)
    first = pod.worker_pid()

    clock.forget()
    with load(pod.port, callers=1, pause=FEW) as seen:
        pod.wish(wish(v2, v1, revision=2, **rules))
        wait_until(lambda: noted(pod, "Attempt", UNSURE), "the fault acted upon in 1970")
        clock.jump(YEAR)
        wait_until(lambda: noted(pod, "Verdict", UNSURE), "a verdict a year ahead")
        assert len(journal(pod)) == 4, "two versions that came, one that was left, and that it helped"
    assert (seen.failed, pod.worker()["active"]["name"]) == ({}, "v1")
    (acted,), (judged,) = noted(pod, "Attempt", UNSURE), noted(pod, "Verdict", UNSURE)
    assert (acted["at"][:4], judged["verdict"]) == ("1970", "Proved")
    assert judged["clock"] - acted["clock"] >= SETTLE

    tend(pod)
    model = pod.folder / "state" / "models" / v1.digest.removeprefix("sha256:") / MODEL
    model.write_bytes(b"rotten")
    with load(pod.port, pause=MANY) as seen:
        for jump in (FORGET, AHEAD, RIGHT):
            jump(clock)
            assert 4 <= samples_taken(pod, 2.0) <= 2.0 / INTERVAL + 1
            assert stance(pod, BUSY) == "CoolingDown"
    assert seen.failed == {}
    assert len(noted(pod, "Attempt", BUSY)) == 1
    assert model.read_bytes() == b"rotten", "an hour is over by the monotonic clock only: nothing was read again"
    assert [entry["clock"] for entry in journal(pod)] == sorted(entry["clock"] for entry in journal(pod))
    assert list(text_string_to_metric_families(pod.admin("/metrics")[1]))
    assert (pod.worker_pid(), pod.status()["supervisor"]["restarts"]) == (first, {})
    assert {"1970", str(datetime.now(UTC).year + 1)} <= {entry["time"][:4] for entry in pod.logs}


@pytest.mark.parametrize(("then", "now"), [(AHEAD, FORGET), (FORGET, AHEAD)], ids=["future", "past"])
def test_a_store_written_in_another_time_is_served_and_what_was_done_then_still_counts(
    pod: Pod, origin: Path, clock: WallClock, then: Jump, now: Jump
) -> None:
    pod.wish(wish(bundle(origin, "v1"), **watched((BUSY, ActionType.CLEAR_CACHE), max_per_hour=1)))
    then(clock)
    pod.start(**clock.environment)
    pod.await_revision(1)
    tend(pod)
    pod.stop()
    stamp = time.time() + (YEAR if then is AHEAD else -YEAR)
    for path in (pod.folder / "state").rglob("*"):
        os.utime(path, (stamp, stamp))
    origin.rename(origin.with_name("gone"))
    now(clock)
    pod.logs.clear()
    pod.start(**clock.environment)
    pod.await_version("v1")
    with load(pod.port, pause=MANY) as seen:
        wait_until(lambda: stance(pod, BUSY) == "Hold TooManyHeals", "it may do no more")
        RIGHT(clock)
        assert samples_taken(pod, 1.0) >= 2
        assert stance(pod, BUSY) == "Hold TooManyHeals"
    assert seen.failed == {}
    first = pod.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    assert len(noted(pod, "Attempt", BUSY)) == 1


def answer(pod: Pod, certificate: Path, token: str) -> int | None:
    """The status of a request with this token over this certificate; None where another one is shown."""
    context = ssl.create_default_context(cafile=certificate)
    caller = http.client.HTTPSConnection("localhost", pod.port, timeout=20, context=context)
    with contextlib.closing(caller):
        try:
            caller.request("POST", INFER, BODY, {"Authorization": f"Bearer {token}"})
        except ssl.SSLError:
            return None
        return caller.getresponse().status


def test_a_machine_that_starts_in_1970_fetches_as_soon_as_it_knows_the_time_and_reads_renewed_files(
    pod: Pod, origin: Path, clock: WallClock, tmp_path: Path
) -> None:
    artifact, tokens = bundle(origin, "v1"), tmp_path / "tokens"
    web, (certificate, key) = make_certificate(tmp_path), write_pair(tmp_path)
    tokens.write_text("the-first-token-of-all")
    files = {"TLS_CERT": certificate, "TLS_KEY": key, "TOKENS": tokens, "REGISTRY_CA": web.certificate}
    clock.forget()
    with https(web, functools.partial(QuietFiles, directory=origin)) as host:
        pod.wish(wish(Artifact(name="v1", uri=f"https://{host}/v1", digest=artifact.digest)))
        pod.start(**clock.environment, **{f"EDGEMODEL_{name}": str(path) for name, path in files.items()})
        wait_until(lambda: "the clock here says 1970-01-01" in str(pod.worker().get("pending")), "no trust yet")
        assert answer(pod, certificate, "the-first-token-of-all") == 503
        tokens.write_text("another-token-than-before")
        certificate, key = write_pair(tmp_path)
        wait_until(lambda: answer(pod, certificate, "another-token-than-before") == 503, "both read again")
        assert (pod.worker()["refused"], pod.ready()) == ([], False)
        RIGHT(clock)
        wait_until(pod.ready, "a model")
    assert answer(pod, certificate, "another-token-than-before") == 200
