"""A running pod under load: nothing that happens to it costs a caller an answer."""

import contextlib
import http.client
import os
import re
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.wish import Healing, LocalAction, LocalStrategy
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, load, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish


def strategy(fault: str, *actions: ActionType) -> Healing:
    rungs = tuple(LocalAction(type=action) for action in actions)
    return Healing(strategies=(LocalStrategy(faults=(fault,), actions=rungs),), settle=0.2, min_samples=1)


def test_a_swap_under_load_fails_no_request_and_each_answer_is_of_one_version(pod: Pod, origin: Path) -> None:
    v1, v2 = bundle(origin, "v1"), bundle(origin, "v2", scale=5.0)
    pod.wish(wish(v1))
    pod.start()
    pod.await_version("v1")
    with load(pod.port) as seen:
        wait_until(lambda: seen.good > 50, "answers of v1")
        pod.wish(wish(v2, v1, revision=2))
        pod.await_revision(2)
        wait_until(lambda: seen.answers["200 v2"] > 50, "answers of v2")
    assert (seen.failed, seen.mixed) == ({}, [])


def test_a_killed_worker_is_replaced_at_once_and_no_connection_is_refused(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    with load(pod.port) as seen:
        wait_until(lambda: seen.good > 50, "answers")
        os.kill(first, signal.SIGKILL)
        before, killed = seen.good, time.monotonic()
        wait_until(lambda: pod.worker_pid() not in (0, first), "another worker")
        wait_until(lambda: seen.good > before + 20, "answers again")
        gap = time.monotonic() - killed
    assert "ConnectionRefusedError" not in seen.failed
    assert sum(seen.failed.values()) <= 4, "each caller loses at most the request that the dead worker held"
    assert gap < 5.0, "a second on an idle machine, as the benchmark `footprint` measures it"


def test_a_restart_by_the_ladder_fails_no_request_on_kept_alive_connections(pod: Pod, origin: Path) -> None:
    rule = Rule(name="too-busy", metric="requests_per_second", operator=">", threshold=5, window=1, trigger_count=2)
    pod.wish(wish(bundle(origin, "v1"), rules=(rule,), healing=strategy("too-busy", ActionType.RESTART)))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    with load(pod.port) as seen:
        wait_until(lambda: pod.worker_pid() not in (0, first), "a successor")
        wait_until(lambda: any(entry["pid"] == first for entry in pod.logged("worker ended")), "the old one gone")
        before = seen.good
        wait_until(lambda: seen.good > before + 50, "answers of the successor")
    assert seen.failed == {}


def test_a_fault_flips_to_the_backup_and_the_version_stays_refused_until_the_wish_clears_it(
    pod: Pod, origin: Path
) -> None:
    v1, v2 = bundle(origin, "v1", scale=20.0), bundle(origin, "v2", scale=0.0)
    rule = Rule(name="unsure", metric="model_confidence_mean", operator="<", threshold=0.4, window=2, trigger_count=2)
    healing = strategy("unsure", ActionType.SWITCH_MODEL)
    pod.wish(wish(v2, v1, rules=(rule,), healing=healing))
    pod.start()
    pod.await_revision(1)
    with load(pod.port, callers=1) as seen:
        pod.await_version("v1")
        wait_until(lambda: pod.series("edgemodel_heals_total"), "a verdict")
        assert [line for line in pod.series("edgemodel_refused_info") if 'reason="unsure"' in line]
        assert [line for line in pod.series("edgemodel_serving_info") if 'reason="Fallback"' in line]
        assert 'verdict="Proved"' in pod.series("edgemodel_heals_total")[0]
        pod.wish(wish(v2, v1, revision=2, cleared=(v2.digest,)))
        pod.await_version("v2")
    assert seen.failed == {}


def test_three_crashes_under_one_version_start_the_next_worker_with_the_backup(pod: Pod, origin: Path) -> None:
    v1, v2 = bundle(origin, "v1"), bundle(origin, "v2", scale=5.0)
    pod.wish(wish(v2, v1))
    pod.start()
    pod.await_revision(1)
    for _ in range(3):
        wait_until(lambda: pod.ready() and pod.worker_pid(), "a worker")
        pid = pod.worker_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: pod.worker_pid() not in (0, pid), "the next worker")
    pod.await_version("v1")
    assert 'reason="WorkerCrashed"' in pod.series("edgemodel_refused_info")[0]


@pytest.mark.parametrize(
    ("number", "whom"),
    [(signal.SIGTERM, "the command"), (signal.SIGTERM, "all"), (signal.SIGINT, "all")],
    ids=["kubelet", "systemd", "ctrl-c"],
)
def test_a_request_that_is_under_way_at_the_stop_is_answered_and_the_exit_is_clean(
    pod: Pod, origin: Path, number: signal.Signals, whom: str
) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    assert pod.process is not None
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", pod.port, timeout=20)) as caller:
        caller.putrequest("POST", INFER)
        caller.putheader("Content-Length", str(len(BODY)))
        caller.endheaders(BODY[:10].encode())
        command = psutil.Process(pod.process.pid)
        for process in (command, *(command.children(recursive=True) if whom == "all" else ())):
            process.send_signal(number)
        wait_until(lambda: not pod.ready(), "not ready")
        caller.send(BODY[10:].encode())
        assert caller.getresponse().status == 200
    assert pod.process.wait(20) == 0


def test_more_idle_connections_than_a_process_may_have_files_by_default_harm_nobody(pod: Pod, origin: Path) -> None:
    pod.before = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (128, r.getrlimit(r.RLIMIT_NOFILE)[1])); "
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    with contextlib.ExitStack() as stack, load(pod.port, callers=1) as seen:
        for _ in range(256):
            stack.enter_context(socket.create_connection(("127.0.0.1", pod.port)))
        before = seen.good
        wait_until(lambda: seen.good > before + 20, "answers")
    assert (seen.failed, pod.worker_pid()) == ({}, first)


def test_a_stop_while_the_worker_is_still_on_its_way_up_is_at_once(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    assert pod.stop() == 0
    assert not pod.logged("leading")


def test_a_restarted_container_serves_from_its_disk_when_the_origin_is_gone(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_revision(1)
    pod.stop()
    origin.rename(origin.with_name("gone"))
    pod.logs.clear()
    pod.start()
    pod.await_version("v1")
    assert pod.ready()


def test_requests_that_are_sent_without_waiting_are_answered_in_their_order(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_version("v1")
    bodies = [BODY.replace('{"inputs"', f'{{"id": "{number}", "inputs"').encode() for number in range(5)]
    head = f"POST {INFER} HTTP/1.1\r\nhost: pod\r\ncontent-length: "
    requests = [head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies]
    requests[-1] = requests[-1].replace(b"host: pod", b"host: pod\r\nconnection: close")
    with socket.create_connection(("127.0.0.1", pod.port), timeout=20) as caller, caller.makefile("rb") as answers:
        caller.sendall(b"".join(requests))
        said = answers.read()
    assert said.count(b"HTTP/1.1 200 OK") == len(bodies)
    assert re.findall(rb'"id":"(\d)"', said) == [b"0", b"1", b"2", b"3", b"4"]
    assert said.count(b"connection: close") == 1
