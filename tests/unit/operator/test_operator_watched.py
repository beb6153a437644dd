"""What the operator makes of watched objects: nodes that match, pods in sight, Jobs that are over."""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edgemodel.outcome import Outcome
from edgemodel_operator.api.serving import Placement
from edgemodel_operator.cluster.jobs import NEWS_LAG
from edgemodel_operator.cluster.pods import matches
from edgemodel_operator.cluster.trim import condition, keep, pack, trim, trim_node, unpack
from edgemodel_operator.cluster.world import WATCH_LAG, World
from edgemodel_operator.model import naming
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Job, Observation
from edgemodel_operator.render.workload import render_workload
from edgemodel_operator.signals.board import Board
from tests.unit.operator.test_operator_children import model
from tests.unit.operator.world import KEY, UID

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = {"uid": UID, "controller": True}

Body = dict[str, Any]


def node(name: str = "n1", *, ready: str = "True", labels: Body | None = None, taints: tuple[Body, ...] = ()) -> Body:
    return {
        "metadata": {"name": name, "labels": {"edge": ""} if labels is None else labels},
        "spec": {"taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def taint(key: str, effect: str = "NoSchedule", value: str = "") -> Body:
    return {"key": key, "effect": effect, "value": value}


# Nodes


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ({}, {}, True),
        ({"edge": ""}, {"edge": ""}, True),
        ({"edge": ""}, {"edge": "yes"}, False),
        ({"edge": ""}, {}, False),
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, False),
    ],
)
def test_a_node_matches_when_it_carries_every_label(selector: Body, labels: Body, expected: bool) -> None:
    assert matches(Placement(node_selector=selector), trim_node(node(labels=labels))) is expected


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], False),
        ([{"operator": "Exists"}], True),
        ([{"key": "gpu", "operator": "Exists"}], True),
        ([{"key": "gpu", "value": "yes"}], True),
        ([{"key": "gpu", "value": "no"}], False),
        ([{"key": "other", "operator": "Exists"}], False),
        ([{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}], True),
    ],
)
def test_a_tainted_node_matches_when_the_taint_is_tolerated(tolerations: list[Body], expected: bool) -> None:
    placement = Placement.model_validate({"tolerations": tolerations})
    assert matches(placement, trim_node(node(taints=(taint("gpu", value="yes"),)))) is expected


@pytest.mark.parametrize("key", ["node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable"])
def test_taints_that_every_daemonset_tolerates_are_no_obstacle(key: str) -> None:
    assert matches(Placement(), trim_node(node(taints=(taint(key, "NoExecute"),))))


def test_a_taint_that_only_prefers_is_no_obstacle() -> None:
    assert matches(Placement(), trim_node(node(taints=(taint("gpu", "PreferNoSchedule"),))))


@pytest.mark.parametrize(("word", "expected"), [("True", True), ("False", False), ("Unknown", None)])
def test_a_node_that_the_control_plane_lost_is_neither_ready_nor_not(word: str, expected: bool | None) -> None:
    assert trim_node(node(ready=word))["ready"] is expected


def test_a_condition_that_is_not_there_is_unknown() -> None:
    assert condition({}, "Ready") is None


def test_heartbeats_and_bookkeeping_are_not_kept() -> None:
    body = {"metadata": {"name": "x", "managedFields": [1]}, "spec": {}}
    assert trim(body) == {"metadata": {"name": "x"}, "spec": {}}
    assert set(trim_node(node())) == {"name", "labels", "taints", "ready"}


def test_what_is_packed_takes_less_than_a_third_and_loses_nothing() -> None:
    body = json.loads(json.dumps(render_workload(model(), "registry/inference:1")))
    assert unpack(pack(body)) == body
    assert len(pack(body)) < _size(body) / 3


def _size(value: object) -> int:
    """Bytes of an object and of all that is in it."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return sys.getsizeof(value) + sum(map(_size, inner))


# Pods and children


def pod(name: str, node_name: str = "n1", component: str = naming.SERVING, **status: Any) -> Body:
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.0.0.1", "phase": "Running"}
    labels = naming.labels(KEY.name, component) | {"batch.kubernetes.io/job-name": "j" if component == "x" else ""}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": node_name}, "status": ready | status}


def world(**indexes: dict[Any, list[Body]]) -> World:
    world = World()
    kept = {k: {key: [keep(k, body) for body in bodies] for key, bodies in v.items()} for k, v in indexes.items()}
    world.bind({"EdgeModel": {}, **kept})
    return world


def observe(world: World, now: datetime = NOW, **spec: Any) -> Observation:
    return world.observe(model(**spec), Board(10.0), now)


def nodes_index(*bodies: Body) -> dict[str, list[Body]]:
    return {body["metadata"]["name"]: [body] for body in bodies}


def test_a_pod_on_a_node_out_of_sight_may_or_may_not_be_ready() -> None:
    seen = observe(world(Node=nodes_index(node(ready="Unknown")), Pod={KEY: [pod("p")]}))
    assert [p.ready for p in seen.pods] == [None]


def test_a_pod_that_is_being_deleted_does_not_count() -> None:
    body = pod("p")
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert observe(world(Node=nodes_index(node()), Pod={KEY: [body]})).pods == ()


def test_with_replicas_each_pod_is_a_unit_of_its_own() -> None:
    pods = [pod("p1"), pod("p2")]
    seen = observe(world(Node=nodes_index(node()), Pod={KEY: pods}), placement={"mode": "Replicas", "replicas": 2})
    assert [n.name for n in seen.nodes] == ["p1", "p2"]
    assert [p.node for p in seen.pods] == ["p1", "p2"]


def test_pods_that_serve_and_jobs_that_run_are_scraped_and_told_apart() -> None:
    pods = [
        pod("p", podIP="10.0.0.1"),
        pod("d", component=naming.DISTILLING, podIP="10.0.0.2"),
        pod("e", component=naming.DISTILLING, podIP="10.0.0.3", phase="Succeeded"),
        pod("x", component="x", podIP="10.0.0.4"),
    ]
    targets = list(world(Node=nodes_index(node()), Pod={KEY: pods}).targets())
    assert [(target.address, target.trains) for target in targets] == [("10.0.0.1", False), ("10.0.0.2", True)]
    assert {(t.labels["edgemodel"], t.labels["namespace"]) for t in targets} == {(KEY.name, KEY.namespace)}


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [([node(ready="False")], 1), ([node(ready="Unknown")], 0), ([], 0)],
    ids=["not ready", "lost", "gone"],
)
def test_a_pod_is_scraped_while_the_control_plane_hears_of_its_node(nodes: list[Body], asked: int) -> None:
    assert len(list(world(Node=nodes_index(*nodes), Pod={KEY: [pod("p")]}).targets())) == asked


def child(kind: str, name: str, version: str, **fields: Any) -> Body:
    metadata = {"name": name, "namespace": KEY.namespace, "uid": "c", "resourceVersion": version}
    return {"kind": kind, "metadata": metadata | {"ownerReferences": [OWNER]}, **fields}


def test_a_child_of_somebody_else_is_not_seen() -> None:
    foreign = child("ConfigMap", "digits-wish", "5")
    foreign["metadata"]["ownerReferences"] = [{"uid": "other"}]
    assert observe(world(ConfigMap={KEY: [foreign]})).children == {}


def test_what_was_written_counts_until_the_watch_shows_it() -> None:
    found = world(ConfigMap={KEY: [child("ConfigMap", "digits-wish", "9", data={"wish.json": "old"})]})
    found.wrote(KEY, child("ConfigMap", "digits-wish", "10", data={"wish.json": "new"}), NOW)
    (body,) = observe(found).children.values()
    assert body["data"] == {"wish.json": "new"}


def test_what_others_wrote_later_wins_over_what_we_wrote() -> None:
    found = world(ConfigMap={KEY: [child("ConfigMap", "digits-wish", "11", data={"wish.json": "theirs"})]})
    found.wrote(KEY, child("ConfigMap", "digits-wish", "10", data={"wish.json": "ours"}), NOW)
    (body,) = observe(found).children.values()
    assert body["data"] == {"wish.json": "theirs"}


def test_a_child_that_the_watch_never_shows_is_made_again_after_a_while() -> None:
    found = world()
    found.wrote(KEY, child("ConfigMap", "digits-wish", "10"), NOW)
    assert len(observe(found, NOW + WATCH_LAG / 2).children) == 1
    assert observe(found, NOW + WATCH_LAG).children == {}


def test_a_child_that_was_deleted_is_made_again_at_once() -> None:
    found = world()
    found.wrote(KEY, child("ConfigMap", "digits-wish", "10"), NOW)
    found.deleted(KEY, "ConfigMap", "digits-wish")
    assert observe(found).children == {}


def test_a_wish_that_somebody_broke_is_no_wish() -> None:
    broken = child("ConfigMap", "digits-wish", "5", data={"wish.json": "{"})
    assert observe(world(ConfigMap={KEY: [broken]})).wish is None


# Jobs


def job_seen(conditions: list[str], *pods: Body, ended: timedelta = timedelta()) -> Job:
    moment = (NOW - ended).isoformat()
    status = {"conditions": [{"type": word, "status": "True", "lastTransitionTime": moment} for word in conditions]}
    body = child("Job", "j", "5", status=status)
    body["metadata"]["labels"] = {"edgemodel.dev/attempt": "2"}
    (job,) = observe(world(Job={Key(*KEY): [body]}, Pod={KEY: pods})).jobs
    return job


def worker(name: str, phase: str, message: str = "", created: str = "2026-01-01T00:00:00Z") -> Body:
    body = pod(name, component="x", phase=phase)
    body["metadata"]["creationTimestamp"] = created
    if message:
        body["status"]["containerStatuses"] = [{"state": {"terminated": {"message": message}}}]
    return body


def test_a_job_ends_with_the_result_that_its_pod_left() -> None:
    result = Outcome(code="Rejected")
    job = job_seen(["Complete"], worker("a", "Succeeded", result.dump()))
    assert (job.finished, job.failed, job.outcome, job.attempt) == (True, False, result, 2)


def test_a_job_is_not_over_before_its_pods_news_has_come() -> None:
    assert not job_seen(["Complete"], worker("a", "Running")).finished


NO_CLAIM = '0/1 nodes are available: persistentvolumeclaim "kept" not found.'


def test_a_job_says_why_its_pod_is_on_no_node() -> None:
    refused = worker("a", "Pending")
    refused["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": NO_CLAIM}]
    job = job_seen([], refused, worker("b", "Failed", "an earlier try"))
    assert (job.running, job.waiting) == (False, NO_CLAIM)


def test_a_job_says_why_its_pod_has_no_container() -> None:
    placed = worker("a", "Pending")
    placed["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    placed["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ContainerCreating"}}}]
    assert job_seen([], placed).waiting == "ContainerCreating"


@pytest.mark.parametrize("word", ["Complete", "Failed"])
def test_a_job_whose_pods_were_never_seen_is_waited_for_and_not_for_ever(word: str) -> None:
    job = job_seen([word])
    assert (job.finished, job.awaited_until) == (False, NOW + NEWS_LAG)
    job = job_seen([word], ended=NEWS_LAG)
    assert (job.finished, job.awaited_until, job.outcome) == (True, None, None)


def test_a_clock_that_differs_makes_nobody_wait_for_pods_longer() -> None:
    assert job_seen(["Complete"], ended=timedelta(hours=-1)).finished


def test_the_last_of_several_pods_has_the_result() -> None:
    first = worker("b", "Failed", Outcome(code="Unreachable").dump(), "2026-01-01T00:00:00Z")
    last = worker("a", "Succeeded", Outcome(code="Rejected").dump(), "2026-01-01T00:01:00Z")
    job = job_seen(["Complete"], last, first)
    assert job.outcome == Outcome(code="Rejected")


def of_index(index: int, body: Body) -> Body:
    body["metadata"]["annotations"] = {naming.ANNOTATION_INDEX: str(index)}
    return body


def test_of_several_workers_the_leader_has_the_result_whoever_ended_last() -> None:
    leader = of_index(0, worker("a", "Succeeded", Outcome(code="Rejected").dump(), "2026-01-01T00:00:00Z"))
    other = of_index(1, worker("b", "Failed", Outcome(code="WorkerLost").dump(), "2026-01-01T00:01:00Z"))
    assert job_seen(["Complete"], leader, other).outcome == Outcome(code="Rejected")


def test_where_the_leader_could_say_nothing_another_worker_tells_what_it_ended_with() -> None:
    leader = of_index(0, worker("a", "Failed"))
    other = of_index(1, worker("b", "Failed", Outcome(code="OutOfMemory").dump()))
    assert job_seen(["Failed"], leader, other).outcome == Outcome(code="OutOfMemory")


def test_only_the_leader_is_asked_for_the_progress() -> None:
    workers = [of_index(index, worker(f"w{index}", "Running")) for index in (0, 1)]
    for each in workers:
        each["metadata"]["labels"][naming.LABEL_COMPONENT] = naming.DISTILLING
        each["status"]["podIP"] = f"10.0.0.{each['metadata']['name'][1:]}"
    known = world(Node=nodes_index(node()), Pod={KEY: workers})
    assert [target.address for target in known.targets()] == ["10.0.0.0"]


def test_a_message_that_is_no_result_is_kept_as_it_is() -> None:
    job = job_seen(["Failed"], worker("a", "Failed", "Killed"))
    assert (job.outcome, job.message, job.failed) == (None, "Killed", True)


def test_a_job_without_an_end_runs() -> None:
    job = job_seen([], worker("a", "Running"))
    assert (job.running, job.finished) == (True, False)


def test_a_write_is_forgotten_when_the_object_was_made_anew() -> None:
    seen = child("ConfigMap", "digits-wish", "3")
    seen["metadata"]["uid"] = "younger"
    found = world(ConfigMap={KEY: [seen]})
    found.wrote(KEY, child("ConfigMap", "digits-wish", "10"), NOW - timedelta(seconds=1))
    (body,) = observe(found).children.values()
    assert body["metadata"]["uid"] == "younger"


def test_a_pod_that_was_nudged_counts_as_nudged_before_its_watch_shows_it() -> None:
    before = {"uid": "p-1", "resourceVersion": "5"}
    known = world(Node=nodes_index(node()), Pod={KEY: [_versioned(before)]})
    nudged = _versioned(before | {"resourceVersion": "7"})
    nudged["metadata"]["annotations"] = {naming.ANNOTATION_REVISION: "3"}
    known.nudged(nudged, NOW)
    (seen,) = observe(known).pods
    assert (seen.revision, seen.again, seen.nudged_at) == (3, 0, NOW)


def test_what_a_pod_s_watch_shows_later_wins_over_what_the_nudge_returned() -> None:
    nudged = _versioned({"uid": "p-1", "resourceVersion": "7"})
    nudged["metadata"]["annotations"] = {naming.ANNOTATION_REVISION: "3"}
    for metadata in ({"uid": "p-1", "resourceVersion": "8"}, {"uid": "p-2", "resourceVersion": "6"}):
        known = world(Node=nodes_index(node()), Pod={KEY: [_versioned(metadata)]})
        known.nudged(nudged, NOW)
        assert [seen.revision for seen in observe(known).pods] == [0]


def _versioned(metadata: Body) -> Body:
    body = pod("p")
    return {**body, "metadata": {**body["metadata"], "namespace": KEY.namespace, **metadata}}
