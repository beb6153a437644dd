"""``edgemodel-serve --bundle`` on a machine without Kubernetes: the real command, asked, hurt and fed bad versions."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from edgemodel.bundle import Card, Tensor
from edgemodel.wish import WishError
from edgemodel_inference.config.settings import read
from edgemodel_inference.wish.local_wish import LocalWish
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, load, serving, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, graph

CONFIG = """
interval: 0.1
rules:
  - {name: unsure, metric: model_confidence_mean, operator: "<", threshold: 0.4, window: 2, triggerCount: 2}
healing:
  strategies: [{faults: [unsure], actions: [{type: SwitchModel}]}]
  settle: 0.2
  minSamples: 1
"""


def point(link: Path, folder: Path) -> None:
    """Switch the link that is served to another folder, in one step."""
    new = link.with_name("new")
    new.symlink_to(folder)
    new.rename(link)


def test_a_bare_machine_serves_survives_a_kill_and_falls_back_from_bad_versions(pod: Pod, origin: Path) -> None:
    bundle(origin, "v1", scale=20.0)
    unsure, junk = bundle(origin, "v2", scale=0.0), bundle(origin, "v3", model=b"no graph")
    current, config = origin / "current", origin / "serve.yaml"
    point(current, origin / "v1")
    config.write_text(CONFIG)
    pod.serve("--bundle", str(current), "--config", str(config))
    pod.await_version("v1")
    first = pod.worker_pid()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pod.worker_pid() not in (0, first) and pod.ready(), "another worker")
    with load(pod.port, callers=1) as seen:
        point(current, origin / "v2")
        wait_until(lambda: any(r["digest"] == unsure.digest for r in pod.worker()["refused"]), "v2 refused")
        point(current, origin / "v3")
        wait_until(lambda: any(r["digest"] == junk.digest for r in pod.worker()["refused"]), "v3 refused")
        before = seen.answers["200 v1"]
        wait_until(lambda: seen.answers["200 v1"] > before + 20, "v1 answers")
    assert seen.answers["200 v2"], "the bad version was tried"
    assert seen.failed == {}
    assert {r["reason"] for r in pod.worker()["refused"]} == {"unsure", "NotOnnx"}


def test_real_digits_are_recognised(tmp_path: Path) -> None:
    digits = load_digits()
    x, labels, shape = (digits.images / 16)[:, None].astype(np.float32), digits.target, (1, 8, 8)
    half = len(x) // 2
    rows = x.reshape(len(x), -1)
    least_squares = np.linalg.solve(rows[:half].T @ rows[:half] + np.eye(64), rows[:half].T @ np.eye(10)[labels[:half]])
    matrix = (10 * least_squares).astype(np.float32)
    card = Card(
        name="digits",
        inputs=(Tensor(name="x", datatype="FP32", shape=(-1, *shape)),),
        outputs=(Tensor(name="logits", datatype="FP32", shape=(-1, 10)),),
        labels=tuple("0123456789"),
    )
    golden = {"input:x": x[:2], "output:logits": rows[:2] @ matrix}
    bundle(tmp_path, "digits", card=card, model=graph(matrix, shape), golden=golden)
    with serving(tmp_path, "--bundle", str(tmp_path / "digits")) as pod:
        status, answer = ask(pod.port, "POST", "/batch_predict", json.dumps({"inputs": x[half:].tolist()}))
    assert status == 200
    recognised = [int(guess["label"]) for guess in json.loads(answer)["predictions"]]
    assert np.mean(recognised == labels[half:]) > 0.85


def test_it_starts_from_its_own_disk_when_bundle_and_config_are_gone(pod: Pod, origin: Path) -> None:
    bundle(origin, "v1")
    (origin / "serve.yaml").write_text("bundle: " + str(origin / "v1"))
    pod.serve("--config", str(origin / "serve.yaml"))
    pod.await_revision(1)
    pod.stop()
    origin.rename(origin.with_name("gone"))
    pod.logs.clear()
    pod.serve("--config", str(origin / "serve.yaml"))
    pod.await_version("v1")
    assert ask(pod.port, "POST", INFER, BODY)[0] == 200
    assert pod.worker()["wishProblem"].endswith("serve.yaml: No such file or directory")


def test_it_serves_with_standard_input_closed_and_a_log_that_nobody_can_write(tmp_path: Path, origin: Path) -> None:
    bundle(origin, "v1")
    with socket.create_server(("", 0)) as one, socket.create_server(("", 0)) as other:
        port, admin_port = one.getsockname()[1], other.getsockname()[1]
    start = "from edgemodel_inference.processes.supervisor import main; main()"
    ports = ("--port", str(port), "--admin-port", str(admin_port))
    options = ("--name", "tiny", "--bundle", str(origin / "v1"), "--state", str(tmp_path / "state"), *ports)
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", start, *options]

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            return ask(admin_port, "GET", "/readyz")[0] == 200
        return False

    with Path("/dev/full").open("w") as full, subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE) as process:
        try:
            wait_until(is_ready, "ready")
            assert ask(port, "POST", INFER, BODY)[0] == 200
        finally:
            process.terminate()
        assert process.communicate(timeout=20) == (None, b"")
    assert process.returncode == 0


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, which is expected to end by itself."""
    start = "from edgemodel_inference.processes.supervisor import main; main()"
    command = [sys.executable, "-c", start, "--port", "0", "--admin-port", "0", "--state", "state", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bundle", "oci://registry/digits:v1"), "--bundle: want a folder, file:///folder, or oci://host/repository"),
        (("--bundle", "file://host/digits"), "--bundle: want file:///folder"),
        (("--port", "http", "--bundle", "."), "--port: want a port"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    done = run(tmp_path, *options)
    assert (done.returncode, f"edgemodel-serve: {message}" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bundle: nowhere", "nowhere: no manifest.json there"),
        ("interval: 1", "serve.yaml: bundle: want a bundle's folder or address, here or by --bundle"),
        ("bundle: v1\nrules: [{name: slow}]", "serve.yaml: rules[0].metric: want a value, got none"),
        ("bundle: v1\nhealling: {}", "serve.yaml: healling: no such field; did you mean healing?"),
        ("bundle: [", "serve.yaml: want YAML: while parsing"),
        ("bundle: oci://registry/digits:v1", "serve.yaml: bundle: want a folder"),
        ("bundle v1", "serve.yaml: want fields and their values, as in interval: 2, got 'bundle v1'"),
    ],
)
def test_a_wrong_serve_yaml_is_refused_by_its_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "serve.yaml").write_text(text)
    settings = read({"EDGEMODEL_CONFIG": str(tmp_path / "serve.yaml")})
    with pytest.raises(WishError) as caught:
        LocalWish(settings, tmp_path / "wish.json").load()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("interval: -1", "serve.yaml: interval: Input should be greater than 0, got -1"),
        (None, "serve.yaml: No such file or directory"),
        ("a pipe", "serve.yaml: want a file"),
    ],
)
def test_the_command_ends_with_what_is_wrong_with_serve_yaml(tmp_path: Path, file: str | None, message: str) -> None:
    if file == "a pipe":
        os.mkfifo(tmp_path / "serve.yaml")
    elif file is not None:
        (tmp_path / "serve.yaml").write_text(file)
    done = run(tmp_path, "--config", "serve.yaml", "--bundle", ".")
    assert (done.returncode, done.stderr) == (78, f"edgemodel-serve: {tmp_path}/{message}\n")


def test_the_command_ends_where_nothing_says_what_to_serve(tmp_path: Path) -> None:
    done = run(tmp_path, "--bundle", "")
    assert (done.returncode, done.stderr.startswith("edgemodel-serve: --bundle: want what to serve")) == (1, True)


def test_a_bundle_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("bundle: v1")
    settings = read({"EDGEMODEL_CONFIG": str(tmp_path / "serve.yaml"), "EDGEMODEL_BUNDLE": "v2"})
    with pytest.raises(WishError, match="bundle: is given by --bundle already"):
        LocalWish(settings, tmp_path / "wish.json").load()


def test_the_revision_grows_with_each_change_and_only_then(tmp_path: Path, origin: Path) -> None:
    bundle(origin, "v1")
    settings = read({"EDGEMODEL_CONFIG": str(tmp_path / "serve.yaml"), "EDGEMODEL_BUNDLE": str(origin / "v1")})
    local, revisions = LocalWish(settings, tmp_path / "wish.json"), []
    for text in ("interval: 1", "interval: 1.0", "interval: 2"):
        (tmp_path / "serve.yaml").write_text(text)
        revisions.append(local.load().revision)
    assert revisions == [1, 1, 2]


def test_an_address_with_its_digest_is_wished_as_it_stands(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    settings = read({"EDGEMODEL_BUNDLE": f"oci://registry.plant:5000/digits@{digest}"})
    (active,) = (a.active for a in [LocalWish(settings, tmp_path / "wish.json").load().default] if a)
    assert (active.name, active.uri, active.digest) == ("a" * 12, "oci://registry.plant:5000/digits", digest)


def test_two_servers_do_not_share_a_folder(pod: Pod, origin: Path) -> None:
    bundle(origin, "v1")
    pod.serve("--bundle", str(origin / "v1"))
    done = run(pod.folder, "--bundle", str(origin / "v1"))
    assert (done.returncode, "EDGEMODEL_STATE: another edgemodel-serve works in" in done.stderr) == (1, True)
    pod.stop()
    pod.logs.clear()
    pod.serve("--bundle", str(origin / "v1"))


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "--bundle", ".", "--port", str(port))
    assert (done.returncode, done.stderr) == (1, f"edgemodel-serve: port {port} (--port): Address already in use\n")
