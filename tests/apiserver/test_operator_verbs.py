"""What people ask for with `kubectl edgemodel`: the real command, a real API server, the real operator."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.control_plane import ControlPlane
from lab.home import Home
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import FakePod, Operator, create_node, patch_status, wait_for
from tests.apiserver.plain_api import PlainApi
from tests.apiserver.space import Space

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

LABEL = {"verb-tests": "edge"}
V1, V2 = ({"name": f"v{i}", "uri": "oci://registry:5000/m", "digest": f"sha256:{i:064x}"} for i in (1, 2))
SOURCE = {"uri": "oci://registry:5000/m", "digest": "sha256:" + "9" * 64}
RULE = {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.7}
SPEC = {
    "versions": [V1, V2],
    "version": "v2",
    "backup": "v1",
    "placement": {"nodeSelector": LABEL},
    "health": {"rules": [RULE]},
    "healing": {
        "strategies": [{"faults": ["low-confidence"], "actions": [{"type": "SwitchModel"}]}],
        "settle": "1s",
        "minSamples": 1,
    },
    "distillation": {"teacher": SOURCE, "dataset": SOURCE, "push": "oci://registry:5000/m"},
    "rollout": {"steps": [{"nodes": 1, "hold": "1h"}], "judge": {"minSamples": 1}},
}
_numbers = itertools.count(1)

Body = dict[str, Any]


class Plant(Space):
    """A namespace with one EdgeModel, the one node's pod, and the command as a user runs it."""

    def __init__(self, kubectl: Kubectl, api: PlainApi, nursery: Nursery, pod: FakePod) -> None:
        super().__init__(kubectl, api, f"verbs-{next(_numbers)}")
        self.nursery, self.pod = nursery, pod

    def edgemodel(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """``edgemodel …``; its exit status, stdout, stderr."""
        options = ["--kubeconfig", str(kubeconfig or self.kubectl.kubeconfig), "-n", self.name]
        return self.nursery.run_command(*arguments, *options)

    def serve(self, version: Body, **faults: bool) -> None:
        """The node answers from `version`, and says which wish it has carried out."""
        self.pod.serve("digits", self.name, version, **faults)

    def serving(self) -> str:
        default = self.wish().default
        return "" if default is None else default.active.name

    def annotate(self, value: str) -> None:
        self.run("annotate", "--overwrite", "em/digits", value)


@pytest.fixture(scope="module", autouse=True)
def node(kubectl: Kubectl) -> Iterator[None]:
    create_node(kubectl, "verb-1", LABEL)
    yield
    kubectl.run("delete", "node", "verb-1")


@pytest.fixture
def unattended(kubectl: Kubectl, plain_api: PlainApi, operators: Nursery) -> Iterator[Plant]:
    """No operator; the node answers from v2."""
    pod = FakePod("verb-1", "127.0.82.1")
    plant = Plant(kubectl, plain_api, operators, pod)
    assert kubectl.run("create", "namespace", plant.name).returncode == 0
    with pod.listening():
        pod.create(kubectl, "digits", plant.name)
        plant.serve(V2, low_confidence=False)
        body = {"apiVersion": "edgemodel.dev/v1alpha1", "kind": "EdgeModel", "metadata": {"name": "digits"}}
        plant.apply(body | {"spec": SPEC})
        yield plant
        plant.run("delete", "em", "--all", "--wait=false")
        plant.run("delete", "pods", "--all", "--force", "--grace-period=0")


@pytest.fixture
def plant(unattended: Plant, operators: Nursery, tmp_path: Path) -> Iterator[Plant]:
    """The operator runs; v2 serves and was proved good."""
    operator = Operator(operators, unattended.kubectl.kubeconfig, tmp_path, unattended.name)
    operator.start()
    try:
        wait_for(
            "v2 is good",
            lambda: unattended.status()["lastGood"] == "v2",
            within=60,
            say=lambda: json.dumps(unattended.status(), indent=1) + operator.log[-3000:],
        )
        yield unattended
    finally:
        operator.kill()


def test_a_quarantined_version_is_cleared_and_the_nodes_are_told(plant: Plant) -> None:
    plant.serve(V2, low_confidence=True)
    wait_for("the rollback", lambda: V2["digest"] in plant.wish().refused)
    plant.serve(V1, low_confidence=False)
    answer = plant.edgemodel("clear-quarantine", "digits", "v2")
    assert (answer.returncode, answer.stdout) == (
        0,
        "v2 may serve again and is rolled out: spec.version names it\n",
    ), answer.stderr
    wait_for("the nodes' wish", lambda: plant.wish().cleared == (V2["digest"],))
    assert plant.wish().refused == ()
    wait_for("a canary", lambda: plant.wish().exceptions["verb-1"].active.name == "v2")


def test_a_person_rolls_back_and_the_same_annotation_again_changes_nothing(plant: Plant) -> None:
    answer = plant.edgemodel("rollback", "digits", "v1")
    assert (answer.returncode, answer.stdout) == (0, "v2 → v1 on every node at once\n"), answer.stderr
    wait_for("v1", lambda: plant.serving() == "v1")
    plant.serve(V1, low_confidence=False)
    value = plant.get("em/digits")["metadata"]["annotations"]
    plant.annotate("edgemodel.dev/rollback-to=v2@other")
    wait_for("v2", lambda: plant.serving() == "v2")
    plant.annotate(f"edgemodel.dev/rollback-to={value['edgemodel.dev/rollback-to']}")
    assert plant.edgemodel("redistill", "digits").returncode == 0  # answered after the annotation was seen
    assert [entry["verb"] for entry in plant.status()["verbs"]] == ["rollback-to", "rollback-to", "redistill"]
    assert plant.serving() == "v2"


def test_an_unknown_version_ends_with_one_line_and_changes_nothing(plant: Plant) -> None:
    revision = plant.wish().revision
    answer = plant.edgemodel("rollback", "digits", "v9")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "edgemodel: digits: want one of v1, v2, got 'v9'\n"
    assert plant.wish().revision == revision


def test_a_person_starts_a_distillation(plant: Plant) -> None:
    answer = plant.edgemodel("redistill", "digits")
    assert answer.returncode == 0, answer.stderr
    (job,) = wait_for("a Job", lambda: plant.get("job")["items"])
    assert answer.stdout == f"{job['metadata']['name']} trains distilled-1\n"


def test_while_paused_a_new_wish_waits(plant: Plant) -> None:
    assert plant.edgemodel("pause", "digits", "--reason", "line 3").returncode == 0
    patch = '{"spec": {"version": "v1", "backup": null}}'
    plant.run("patch", "em/digits", "--type=merge", f"--patch={patch}")
    asked = plant.edgemodel("rollback", "digits", "v1", "--timeout", "1")
    assert asked.returncode == 4
    assert "it is paused, and answers when it is resumed: edgemodel resume digits" in asked.stderr
    assert plant.serving() == "v2"
    assert plant.edgemodel("status").stdout.splitlines()[1].split()[5] == "Paused"
    assert plant.edgemodel("resume", "digits").returncode == 0
    wait_for("the rollback that was asked", lambda: plant.serving() == "v1")


def test_without_an_operator_nobody_waits_for_ever(unattended: Plant) -> None:
    answer = unattended.edgemodel("redistill", "digits", "--timeout", "0.5")
    assert answer.returncode == 4
    assert answer.stderr == (
        "edgemodel: digits: asked, and no answer within 0.5 s: see that the operator runs: "
        f"edgemodel doctor digits -n {unattended.name}\n"
    )


def test_status_exits_with_3_where_one_is_not_ready(unattended: Plant) -> None:
    answer = unattended.edgemodel("status")
    assert answer.returncode == 3
    assert answer.stdout.splitlines()[1].split()[:2] == ["digits", "unknown"]


def test_status_exits_with_0_where_all_are_ready(plant: Plant) -> None:
    answer = plant.edgemodel("status", "digits", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["status"]["version"] == "v2"


def test_status_w_prints_again_when_something_changes(unattended: Plant, tmp_path: Path) -> None:
    options = ["--kubeconfig", str(unattended.kubectl.kubeconfig), "-n", unattended.name]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs behind itself ignore Ctrl-C
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "edgemodel_cli", "status", "-w", *options]
        process = subprocess.Popen(command, stdout=out, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        try:
            wait_for("the first table", lambda: (tmp_path / "out").read_text().count("NAME") == 1)
            patch_status(unattended.kubectl, "em/digits", {"version": "v2"}, "-n", unattended.name)
            wait_for("the second table", lambda: (tmp_path / "out").read_text().count("NAME") == 2)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 3
        finally:
            process.kill()
            process.wait()


def test_a_question_may_be_asked_without_waiting(unattended: Plant) -> None:
    answer = unattended.edgemodel("redistill", "digits", "--no-wait", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    asked = json.loads(answer.stdout)
    assert (asked["verb"], asked["result"]) == ("redistill", "Asked")
    body = unattended.get("em/digits")
    assert asked["token"] in body["metadata"]["annotations"]["edgemodel.dev/redistill"]


def test_nothing_to_approve_is_refused(plant: Plant) -> None:
    answer = plant.edgemodel("approve", "digits")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("edgemodel: digits: ")


def test_a_person_promotes_a_rollout_to_every_node(plant: Plant) -> None:
    patch = '{"spec": {"version": "v1", "backup": null}}'
    plant.run("patch", "em/digits", "--type=merge", f"--patch={patch}")
    wait_for("a canary", lambda: plant.status()["rollout"]["to"] == "v1")
    plant.serve(V1, low_confidence=False)
    answer = plant.edgemodel("promote", "digits", "--all")
    assert answer.returncode == 0, answer.stderr
    wait_for("v1 everywhere", lambda: plant.serving() == "v1")


def test_the_doctor_fails_where_no_operator_is_installed(unattended: Plant) -> None:
    answer = unattended.edgemodel("doctor", "digits", "-o", "json")
    assert answer.returncode == 1, answer.stderr
    found = {(entry["check"], entry["level"]) for entry in json.loads(answer.stdout)["checks"]}
    assert {("crd", "ok"), ("clock", "ok"), ("your rights", "ok"), ("nodes", "ok"), ("operator", "fail")} <= found


def test_the_doctor_tells_who_may_not_look(unattended: Plant, api_server: ControlPlane) -> None:
    answer = unattended.edgemodel("doctor", kubeconfig=api_server.client("stranger", []))
    assert answer.returncode == 1
    assert "you may not list edgemodels, watch edgemodels" in " ".join(answer.stdout.split())
    assert answer.stderr == ""


def test_a_report_has_what_happened_with_its_events(plant: Plant) -> None:
    plant.edgemodel("rollback", "digits", "v1")
    wait_for("the event", lambda: "VerbCarriedOut" in plant.edgemodel("report", "digits").stdout)
    told = json.loads(plant.edgemodel("report", "digits", "-o", "json").stdout)
    assert ("rollback-to", "Done") in {(entry["what"], entry["result"]) for entry in told["timeline"]}


def test_a_name_that_is_nearly_right_is_proposed(unattended: Plant) -> None:
    assert unattended.edgemodel("tree", "digts").stderr.endswith(": not found; did you mean digits?\n")


def test_kubectl_completes_names_and_versions(plant: Plant) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "KUBECONFIG": str(plant.kubectl.kubeconfig)}
    command = [str(Home.default().bin / "kubectl"), "__complete", "edgemodel", "rollback", "-n", plant.name]

    def proposals(*words: str) -> list[str]:
        answer = subprocess.run(
            [*command, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return answer.stdout.splitlines()

    assert proposals("di") == ["digits", ":4"]
    assert proposals("digits", "") == ["v1", "v2", ":4"]


@pytest.mark.parametrize("command", ["tree", "history", "explain"])
def test_what_there_is_to_see_is_printed(plant: Plant, command: str) -> None:
    answer = plant.edgemodel(command, "digits")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "v2" in answer.stdout


def test_it_is_a_plugin_of_kubectl(unattended: Plant) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "KUBECONFIG": str(unattended.kubectl.kubeconfig)}
    command = [str(Home.default().bin / "kubectl"), "edgemodel", "status", "digits", "-n", unattended.name]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "CONDITION" in answer.stdout, answer.stderr


def test_what_is_not_there_is_named(unattended: Plant) -> None:
    answer = unattended.edgemodel("explain", "nobody")
    assert (answer.returncode, answer.stderr) == (
        1,
        f"edgemodel: edgemodel {unattended.name}/nobody: not found\n",
    )


def test_who_may_not_is_told_so_in_one_line(unattended: Plant, api_server: ControlPlane) -> None:
    answer = unattended.edgemodel("status", kubeconfig=api_server.client("stranger", []))
    assert answer.returncode == 1
    assert answer.stderr.startswith("edgemodel: edgemodels: edgemodels.edgemodel.dev is forbidden")
    assert answer.stderr.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_told_in_one_line(unattended: Plant, tmp_path: Path) -> None:
    text = unattended.kubectl.kubeconfig.read_text()
    server = next(line for line in text.splitlines() if "server:" in line).split("server:")[1].strip(' ",')
    dead = tmp_path / "dead"
    dead.write_text(text.replace(server, "https://127.0.0.1:1"))
    answer = unattended.edgemodel("status", kubeconfig=dead)
    assert answer.returncode == 1
    assert answer.stderr.startswith("edgemodel: the API server does not answer")
    assert answer.stderr.count("\n") == 1
