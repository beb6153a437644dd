"""The operator process against a real API server: children, rest, deletion, crashes, rollback, its webhook."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from edgemodel import wish
from edgemodel_operator.model import naming
from lab.home import REPOSITORY
from tests.apiserver.kubectl import Kubectl
from tests.apiserver.operator_process import FakePod, Operator, wait_for
from tests.apiserver.space import CHILDREN, EDGE, V1, V2, Space, alert, at_rest, edgemodel, installed, post

pytestmark = pytest.mark.apiserver

Body = dict[str, Any]
Record = Callable[[str, object], None]


@pytest.mark.usefixtures("operator")
def test_an_edgemodel_gets_its_children(space: Space) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    wanted = space.wish()
    assert wanted.default is not None
    assert (wanted.default.active.name, wanted.default.active.digest) == ("v1", V1["digest"])
    pod = space.get("daemonset/digits")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == EDGE
    assert pod["containers"][0]["image"] == "registry/inference:1"
    assert space.get("service/digits")["spec"]["internalTrafficPolicy"] == "Local"
    assert space.condition("Ready") == ("False", "NothingServes")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("mode", ["EveryNode", "Replicas"])
def test_at_rest_nothing_is_written_and_nothing_is_asked(space: Space, operator: Operator, mode: str) -> None:
    resources = {
        "limits": {"cpu": "1000m", "memory": "1024Mi", "ephemeral-storage": "1.5Gi", "example.com/npu": 1},
        "requests": {"cpu": "0.5", "memory": 2000000, "ephemeral-storage": "1500k"},
    }
    placement: Body = {"mode": mode, "nodeSelector": EDGE, "resources": resources}
    placement |= {"replicas": 2} if mode == "Replicas" else {}
    placement["tolerations"] = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "value": ""}]
    space.apply(edgemodel(placement=placement))
    wait_for("status", lambda: space.status()["observedGeneration"] > 0)
    wait_for("Service", lambda: space.get("service/digits"))
    at_rest(space, ("em/digits", "configmap/digits-wish", "service/digits"))
    writes = operator.writes
    for number in range(3):  # each wakes the operator, and is none of its business
        ticks = operator.ticks
        space.run("label", "configmap/digits-wish", f"somebody=else-{number}", "--overwrite")
        wait_for("a tick", lambda t=ticks: operator.ticks > t)  # type: ignore[misc]  # a default binds
    assert operator.writes == writes, operator.log[-2000:]


@pytest.mark.usefixtures("operator")
def test_the_mode_of_placement_may_change(space: Space) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    space.apply(edgemodel(placement={"mode": "Replicas", "replicas": 2}))
    wait_for("a Deployment", lambda: space.get("deployment/digits")["spec"]["replicas"] == 2)
    wait_for("no DaemonSet", lambda: space.look("daemonset/digits") is None)


@pytest.mark.usefixtures("operator")
def test_what_serves_stays_until_the_other_mode_serves(space: Space) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    nodes = [FakePod("edge-1", "127.0.81.1"), FakePod("edge-2", "127.0.81.2")]
    uid = space.get("daemonset/digits")["metadata"]["uid"]
    for pod in nodes:
        pod.create(space.kubectl, "digits", space.name, {"kind": "DaemonSet", "uid": uid})
    wait_for("two ready nodes", lambda: space.status()["nodes"]["ready"] == 2)
    space.apply(edgemodel(placement={"mode": "Replicas", "replicas": 2}))
    wait_for("a Deployment", lambda: space.get("deployment/digits"))
    nodes[0].create(space.kubectl, "digits", space.name, {"kind": "ReplicaSet", "uid": uid})
    wait_for("one replica", lambda: "1 of 2 replicas" in str(space.status()["conditions"]))
    assert space.get("daemonset/digits")["metadata"]["uid"] == uid
    nodes[1].create(space.kubectl, "digits", space.name, {"kind": "ReplicaSet", "uid": uid})
    wait_for("no DaemonSet", lambda: space.look("daemonset/digits") is None)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_that_somebody_deletes_comes_back(space: Space, child: str) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    uid = space.get(child)["metadata"]["uid"]
    space.run("delete", child)
    wait_for(f"{child} anew", lambda: space.get(child)["metadata"]["uid"] != uid)


@pytest.mark.usefixtures("operator")
def test_a_child_that_somebody_edits_is_put_right(space: Space) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    patch = json.dumps({"data": {wish.FILE_NAME: "{}"}})
    space.run("patch", "configmap/digits-wish", "--type=merge", f"--patch={patch}")
    wait_for("the wish again", lambda: "revision" in space.get("configmap/digits-wish")["data"][wish.FILE_NAME])
    assert space.wish().default is not None


@pytest.mark.usefixtures("operator")
def test_a_child_that_somebody_takes_the_label_from_gets_it_again(space: Space) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    space.run("label", "configmap/digits-wish", f"{naming.LABEL_MODEL}-")
    wait_for("the label", lambda: naming.LABEL_MODEL in space.get("configmap/digits-wish")["metadata"]["labels"])


def test_deletion_needs_no_operator(space: Space, operator: Operator) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    uid = space.get("em/digits")["metadata"]["uid"]
    operator.kill()
    assert "finalizers" not in space.get("em/digits")["metadata"]
    for child in CHILDREN:
        metadata = space.get(child)["metadata"]
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == [uid]
        assert "finalizers" not in metadata
    space.run("delete", "em/digits", "--timeout=10s")


def test_a_foreign_object_is_left_alone_and_named(space: Space, operator: Operator) -> None:
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "digits-wish"}, "data": {"mine": "1"}}
    space.apply(foreign)
    space.apply(edgemodel())
    wait_for("NameTaken", lambda: space.condition("Stalled") == ("True", "NameTaken"), say=lambda: operator.log[-3000:])
    found = space.get("configmap/digits-wish")
    assert found["data"] == {"mine": "1"}
    assert "ownerReferences" not in found["metadata"]
    space.run("delete", "configmap/digits-wish")
    wait_for("children", lambda: installed(space) and space.condition("Stalled") == ("", ""), within=60)


@pytest.mark.usefixtures("operator")
def test_a_stored_object_that_does_not_parse_is_named_and_can_be_put_right(space: Space, kubectl: Kubectl) -> None:
    crd = yaml.safe_load((REPOSITORY / "crds" / "edgemodels.yaml").read_text())
    with ExitStack() as stack:
        stack.callback(_apply_crd, kubectl, crd)
        _apply_crd(kubectl, _without_rules(crd))
        wait_for("looser rules", lambda: kubectl.apply(edgemodel(version="v9"), "-n", space.name).returncode == 0)
    wait_for("InvalidSpec", lambda: space.condition("Stalled") == ("True", "InvalidSpec"))
    message = next(c["message"] for c in space.status()["conditions"] if c["type"] == "Stalled")
    assert message.startswith("spec.version: want one of v1, v2, got 'v9'")
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    assert space.condition("Stalled") == ("", "")


def _without_rules(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_rules(v) for k, v in value.items() if k != "x-kubernetes-validations"}
    return [_without_rules(item) for item in value] if isinstance(value, list) else value


def _apply_crd(kubectl: Kubectl, crd: Body) -> None:
    applied = kubectl.run("replace", "-f", "-", stdin=json.dumps(crd))
    assert applied.returncode == 0, applied.stderr


def test_an_operator_killed_after_each_write_of_an_installation_converges(space: Space, stopped: Operator) -> None:
    space.apply(edgemodel())
    for writes in range(1, 4):
        stopped.start()

        def is_time(writes: int = writes) -> bool:
            """A write that came as it was killed is not in its log, so that there may be none left to see."""
            return stopped.writes >= writes or installed(space)

        wait_for(f"write {writes}", is_time, say=lambda: stopped.log[-3000:])
        stopped.kill()
    stopped.start()
    wait_for("children", lambda: installed(space))
    at_rest(space)
    wanted = space.wish()
    assert wanted.revision == space.status()["wishRevision"]
    assert wanted.default is not None


def test_on_sigterm_the_operator_ends_within_five_seconds(space: Space, operator: Operator) -> None:
    space.apply(edgemodel())
    wait_for("children", lambda: installed(space))
    since = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - since < 5
    assert "Traceback" not in operator.log


# Faults


def revisions(space: Space) -> set[str]:
    """Revisions of the wish for which pods were nudged."""
    items = space.kubectl.get("pods", "-n", space.name)["items"]
    return {item["metadata"].get("annotations", {}).get("edgemodel.dev/wish-revision", "") for item in items}


def test_a_bad_canary_is_taken_back_and_quarantined(
    space: Space, operator: Operator, pods: list[FakePod], record_testsuite_property: Record
) -> None:
    space.apply(edgemodel())
    wait_for("v1 is good", lambda: space.status()["lastGood"] == "v1", say=lambda: operator.log[-5000:])
    assert space.condition("Ready") == ("True", "Serving")
    space.apply(edgemodel(version="v2"))
    wait_for("a canary", lambda: space.wish().exceptions["edge-1"].active.name == "v2")
    wait_for("the nudge", lambda: revisions(space) == {str(space.wish().revision)})
    pods[0].serve("digits", space.name, V2, low_confidence=True)
    since = time.monotonic()
    wait_for("the rollback", lambda: V2["digest"] in space.wish().refused, say=lambda: operator.log[-5000:])
    record_testsuite_property("seconds from the exported fault to the wish", time.monotonic() - since)
    wanted = space.wish()
    assert wanted.default is not None
    assert (wanted.default.active.name, wanted.exceptions) == ("v1", {})
    pods[0].serve("digits", space.name, V1, low_confidence=False)
    wait_for("Proved", lambda: space.status()["heals"][-1]["verdict"] == "Proved")
    status = space.status()
    assert status["version"] == "v1"
    found = next(v for v in status["versions"] if v["name"] == "v2")
    assert (found["state"], found["reason"]) == ("Quarantined", "low-confidence")
    events = space.kubectl.get("events.events.k8s.io", "-n", space.name)["items"]
    told = {event["reason"]: event for event in events if event["regarding"]["kind"] == "EdgeModel"}
    assert "v2 → v1: low-confidence" in told["RolledBack"]["note"]
    at_rest(space)


def test_an_alert_rolls_the_fleet_back_to_the_backup(
    space: Space, operator: Operator, pods: list[FakePod], record_testsuite_property: Record
) -> None:
    for pod in pods:
        pod.serve("digits", space.name, V2)
    space.apply(edgemodel(version="v2", backup="v1"))
    wait_for("v2 serves", lambda: space.status()["nodes"]["updated"] == 2, say=lambda: operator.log[-5000:])
    since = time.monotonic()
    assert post(operator, alert(space)) == 200
    wait_for("v1", lambda: _default(space) == "v1", say=lambda: operator.log[-5000:])
    record_testsuite_property("seconds from the alert to the wish", time.monotonic() - since)
    wait_for("quarantine", lambda: space.status()["versions"][1]["state"] == "Quarantined")


def _default(space: Space) -> str:
    default = space.wish().default
    return default.active.name if default is not None else ""


def test_strangers_and_junk_are_refused_at_the_webhook(space: Space, operator: Operator) -> None:
    good = alert(space)
    wait_for("it knows all EdgeModels, so that none is alerted about in vain", lambda: post(operator, good) == 200)
    assert post(operator, good, token="wrong") == 401
    assert post(operator, b"junk") == 400
    assert post(operator, b" " * (1 << 21)) == 413
    assert post(operator, good, content="text/plain") == 415
