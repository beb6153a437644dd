"""A pod that nobody looks after: hung, killed, stuck, leaking, without a network, on a disk that rots."""

import contextlib
import http.client
import json
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper

from edgemodel.bundle import MODEL, Card, Tensor, digest_of
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.wish import Artifact
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, load, wait_until
from tests.unit.inference_pod.test_pod_under_load import strategy
from tests.unit.inference_pod.tiny_bundles import bundle, wish

IMPATIENT = "from edgemodel_inference.processes import supervisor; supervisor.BEAT_LIMIT = 3.0; "
"""A worker that is silent for three seconds hangs: ten would make the tests long."""


def test_a_worker_that_hangs_is_noticed_by_its_silence_and_replaced(pod: Pod, origin: Path) -> None:
    pod.before = IMPATIENT
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: pod.logged("worker hangs"), "noticed")
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    assert {entry["pid"] for entry in pod.logged("worker hangs")} == {first}


def test_a_supervisor_that_is_killed_takes_its_worker_along_and_the_next_start_serves(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_revision(1)
    worker, port = psutil.Process(pod.worker_pid()), pod.port
    assert pod.process is not None
    pod.process.kill()
    pod.process.wait()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker gone too")
    origin.rename(origin.with_name("gone"))
    pod.logs.clear()
    pod.start(EDGEMODEL_PORT=str(port))
    pod.await_version("v1")
    assert ask(port, "POST", INFER, BODY)[0] == 200


def counting(folder: Path) -> Artifact:
    """A model that counts to what it is asked for, however long that takes."""
    ends = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n"]) for name in ("x", "y")]
    inner = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind, shape in (
            ("i", TensorProto.INT64, []),
            ("go", TensorProto.BOOL, []),
            ("a", TensorProto.INT64, None),
            ("go_on", TensorProto.BOOL, []),
            ("b", TensorProto.INT64, None),
        )
    ]
    steps = [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["a"], ["b"])]
    body = helper.make_graph(steps, "body", inner[:3], inner[3:])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Loop", ["most", "", "x"], ["y"], body=body),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "counting", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    tensors = [Tensor(name=name, datatype="INT64", shape=(-1,)) for name in ("x", "y")]
    card = Card(name="counting", inputs=(tensors[0],), outputs=(tensors[1],), output_kind="other")
    three = np.array([3])
    return bundle(
        folder, "v1", card=card, model=model.SerializeToString(), golden={"input:x": three, "output:y": three}
    )


def test_a_request_that_the_model_never_ends_costs_the_worker_and_no_more(pod: Pod, origin: Path) -> None:
    def count_to(number: int) -> int:
        tensor = {"name": "x", "shape": [1], "datatype": "INT64", "data": [number]}
        return ask(pod.port, "POST", INFER, json.dumps({"inputs": [tensor]}))[0]

    pod.before = IMPATIENT
    pod.in_worker = "from edgemodel_inference.model import engine; engine.DEADLINE = 1.0"
    pod.wish(wish(counting(origin)))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    with contextlib.suppress(OSError, http.client.HTTPException):
        assert count_to(2**62) == 503
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    assert {entry["pid"] for entry in pod.logged("worker hangs")} == {first}
    assert count_to(3) == 200


LEAK = """
import threading
kept = []
def leak():
    while True:
        kept.append(b"x" * (1 << 19))
        threading.Event().wait(0.05)
threading.Thread(target=leak, daemon=True).start()
from edgemodel_inference.healing import memory_guard
memory_guard.NOTICE = 1e6
"""
"""Ten MiB per second; a machine of ten terabytes would be full within the notice."""


def test_a_worker_that_leaks_is_replaced_before_its_memory_ends_and_no_request_fails(pod: Pod, origin: Path) -> None:
    pod.in_worker = LEAK
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    with load(pod.port, callers=1) as seen:
        wait_until(lambda: any(entry["pid"] == first for entry in pod.logged("worker ended")), "the first worker gone")
        before = seen.good
        wait_until(lambda: seen.good > before + 20, "answers of its successor")
    assert seen.failed == {}
    assert pod.logged("memory grows towards its limit")
    assert [line for line in pod.series("edgemodel_worker_restarts_total") if 'reason="MemoryLimit"' in line]


FIRST_SUCCESSOR_DIES = """
import os
memory_guard.PAUSE = 0.5
with open({starts!r}, "a") as starts:
    starts.write(".")
if os.path.getsize({starts!r}) == 2:
    os._exit(9)
"""


def test_a_worker_that_leaks_is_replaced_although_its_first_successor_died(pod: Pod, origin: Path) -> None:
    pod.in_worker = LEAK + FIRST_SUCCESSOR_DIES.format(starts=str(pod.folder / "starts"))
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "a successor that serves")
    assert next(entry["code"] for entry in pod.logged("worker ended")) == 9


HALF_A_LINE = """
import os, signal, sys, threading
def end():
    while not os.path.exists({order!r}):
        threading.Event().wait(0.05)
    os.unlink({order!r})
    os.write(int(sys.orig_argv[-2]), b'{{"kind": "Be')
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=end, daemon=True).start()
"""


def test_a_worker_that_is_killed_in_the_middle_of_a_line_is_replaced(pod: Pod, origin: Path) -> None:
    pod.in_worker = HALF_A_LINE.format(order=str(pod.folder / "end"))
    pod.wish(wish(bundle(origin, "v1")))
    pod.start()
    pod.await_ready()
    first = pod.worker_pid()
    (pod.folder / "end").touch()
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    assert not pod.logged("worker hangs")


CUT = """
import ctypes
from edgemodel_inference.processes import supervisor
run = supervisor.Supervisor.run
def run_without_network(self):
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        raise SystemExit(f"errno {ctypes.get_errno()}")
    return run(self)
supervisor.Supervisor.run = run_without_network
"""
"""Workers get a network namespace (CLONE_NEWNET) with nothing in it; callers reach them by the socket from before."""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to take a process's network away")
def test_without_any_network_it_starts_serves_falls_back_and_survives_a_kill(pod: Pod, origin: Path) -> None:
    v1, v2 = bundle(origin, "v1", scale=20.0), bundle(origin, "v2", scale=0.0)
    rule = Rule(name="unsure", metric="model_confidence_mean", operator="<", threshold=0.4, window=2, trigger_count=2)
    pod.before = CUT
    pod.wish(wish(v1))
    pod.start()
    pod.await_version("v1")
    interfaces = Path(f"/proc/{pod.worker_pid()}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    with load(pod.port, callers=1) as seen:
        healing = strategy("unsure", ActionType.SWITCH_MODEL)
        pod.wish(wish(v2, v1, revision=2, rules=(rule,), healing=healing))
        wait_until(lambda: seen.answers["200 v2"], "the new version")
        wait_until(lambda: pod.series("edgemodel_heals_total"), "a verdict")
    assert seen.failed == {}
    journal = [json.loads(line) for line in (pod.folder / "state" / "journal.jsonl").read_text().splitlines()]
    told = [(entry["kind"], entry.get("action"), entry.get("verdict")) for entry in journal if entry.get("fault")]
    assert told == [("Attempt", "SwitchModel", None), ("Verdict", "SwitchModel", "Proved")]
    assert all(entry["evidence"] for entry in journal if entry.get("fault"))
    first = pod.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    status, answer = ask(pod.port, "POST", INFER, BODY)
    assert (status, json.loads(answer)["model_version"]) == (200, "v1"), "what it left stays refused"


def test_what_rots_on_the_disk_while_it_serves_is_found_and_fetched_again(pod: Pod, origin: Path) -> None:
    artifact = bundle(origin, "v1")
    pod.in_worker = "from edgemodel_inference.wish import scrubber; scrubber.EVERY = 0.5"
    pod.wish(wish(artifact))
    pod.start()
    pod.await_ready()
    model = pod.folder / "state" / "models" / artifact.digest.removeprefix("sha256:") / MODEL
    sound = model.read_bytes()
    model.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    wait_until(lambda: model.exists() and digest_of(model.read_bytes()) == digest_of(sound), "the model mended")
    assert pod.logged("damaged on the disk, fetched again")
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
