"""spec.placement.mode is changed: what serves goes on serving until what comes can."""

from typing import Any

import pytest

from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Delete, Ensure, Nudge
from edgemodel_operator.render.children import stamp
from edgemodel_operator.render.workload import render_workload
from tests.unit.operator.test_operator_children import model
from tests.unit.operator.test_operator_watched import node, nodes_index, observe, world
from tests.unit.operator.test_operator_watched import pod as body_of_pod
from tests.unit.operator.world import IMAGES, KEY, UID

Body = dict[str, Any]

EVERY_NODE: Body = {"placement": {"nodeSelector": {"edge": ""}}}
REPLICAS: Body = {"placement": {"mode": "Replicas", "replicas": 2}}


def pod(name: str, owner: str, node_name: str, *, ready: bool = True) -> Body:
    body = body_of_pod(name, node_name, conditions=[{"type": "Ready", "status": str(ready)}])
    body["metadata"]["ownerReferences"] = [{"uid": "w", "kind": owner, "controller": True}]
    return body


def old(kind: str, **spec: Any) -> Body:
    """The workload that is there, as the API server shows it."""
    body = stamp(render_workload(model(**spec), IMAGES.inference))
    assert body["kind"] == kind
    body["metadata"] |= {"uid": "w", "resourceVersion": "1", "ownerReferences": [{"uid": UID, "controller": True}]}
    return body


def to_replicas(*new: Body, old_ready: bool = True, **spec: Any) -> Observation:
    """DaemonSet pods on two nodes; the user wants two replicas, of which `new` are there."""
    pods = [pod("d1", "DaemonSet", "n1", ready=old_ready), pod("d2", "DaemonSet", "n2", ready=old_ready), *new]
    nodes = nodes_index(node("n1"), node("n2"))
    there = {KEY: [old("DaemonSet", **EVERY_NODE, **spec)]}
    return observe(world(Node=nodes, Pod={KEY: pods}, DaemonSet=there), **REPLICAS, **spec)


def to_every_node(*new: Body, reachable: str = "True") -> Observation:
    """Two replicas on one node; the user wants a pod on each of two nodes, of which `new` are there."""
    pods = [pod("r1", "ReplicaSet", "n1"), pod("r2", "ReplicaSet", "n1"), *new]
    nodes = nodes_index(node("n1"), node("n2", ready=reachable))
    return observe(world(Node=nodes, Pod={KEY: pods}, Deployment={KEY: [old("Deployment", **REPLICAS)]}), **EVERY_NODE)


def deleted(observation: Observation) -> list[str]:
    return [action.kind for action in decide(observation, IMAGES).actions if isinstance(action, Delete)]


def made(observation: Observation, kind: str) -> Body:
    found = [action.object for action in decide(observation, IMAGES).actions if isinstance(action, Ensure)]
    return next(body for body in found if body["kind"] == kind)


def test_the_old_workload_stays_while_the_new_one_has_no_ready_pod() -> None:
    observation = to_replicas(pod("r1", "ReplicaSet", "n1", ready=False))
    assert deleted(observation) == []
    assert made(observation, "Deployment")["spec"]["replicas"] == 2


def test_the_old_workload_stays_until_every_replica_is_ready() -> None:
    first, second = pod("r1", "ReplicaSet", "n1"), pod("r2", "ReplicaSet", "n2", ready=False)
    assert deleted(to_replicas(first, second)) == []


def test_the_old_workload_goes_when_every_replica_is_ready() -> None:
    assert deleted(to_replicas(pod("r1", "ReplicaSet", "n1"), pod("r2", "ReplicaSet", "n2"))) == ["DaemonSet"]


def test_an_old_workload_that_serves_nothing_goes_at_once() -> None:
    assert deleted(to_replicas(old_ready=False)) == ["DaemonSet"]


def test_replicas_stay_until_every_node_in_sight_has_a_ready_pod() -> None:
    one, other = pod("d1", "DaemonSet", "n1"), pod("d2", "DaemonSet", "n2")
    assert deleted(to_every_node(one)) == []
    assert deleted(to_every_node(one, other)) == ["Deployment"]


def test_a_node_out_of_sight_does_not_keep_the_old_workload() -> None:
    assert deleted(to_every_node(pod("d1", "DaemonSet", "n1"), reachable="Unknown")) == ["Deployment"]


def test_replicas_stay_where_no_node_is_there_to_take_over() -> None:
    pods = {KEY: [pod("r1", "ReplicaSet", "m1")]}
    there = {KEY: [old("Deployment", **REPLICAS)]}
    nodes = nodes_index(node("m1", labels={}))
    assert deleted(observe(world(Node=nodes, Pod=pods, Deployment=there), **EVERY_NODE)) == []


@pytest.mark.parametrize("ready", [True, False])
def test_a_port_of_the_node_leaves_no_room_for_both(ready: bool) -> None:
    new = pod("r1", "ReplicaSet", "n1", ready=ready)
    assert deleted(to_replicas(new, serving={"hostPort": 8080}, healing={})) == ["DaemonSet"]


def test_callers_reach_any_pod_until_each_node_has_its_own() -> None:
    one, other = pod("d1", "DaemonSet", "n1"), pod("d2", "DaemonSet", "n2")
    assert made(to_every_node(one, other), "Service")["spec"]["internalTrafficPolicy"] == "Cluster"
    nodes = nodes_index(node("n1"), node("n2"))
    after = observe(world(Node=nodes, Pod={KEY: [one, other]}), **EVERY_NODE)
    assert made(after, "Service")["spec"]["internalTrafficPolicy"] == "Local"


def test_pods_of_both_workloads_are_told_of_the_wish() -> None:
    actions = decide(to_replicas(pod("r1", "ReplicaSet", "n1")), IMAGES).actions
    assert {action.pod for action in actions if isinstance(action, Nudge)} == {"d1", "d2", "r1"}


def test_only_pods_of_the_wanted_mode_are_counted() -> None:
    observation = to_replicas(pod("r1", "ReplicaSet", "n1"))
    assert [pod.node for pod in observation.pods] == ["r1"]
    assert [pod.node for pod in observation.leaving] == ["n1", "n2"]


def test_each_pod_is_scraped_under_the_name_that_it_calls_itself_by() -> None:
    pods = [pod("d1", "DaemonSet", "n1"), pod("r1", "ReplicaSet", "n1")]
    targets = world(Node=nodes_index(node("n1")), Pod={KEY: pods}).targets()
    assert [target.labels["node"] for target in targets] == ["n1", "r1"]


def test_the_conditions_say_that_the_old_workload_serves_and_what_it_waits_for() -> None:
    plan = decide(to_every_node(pod("d1", "DaemonSet", "n1")), IMAGES)
    status = next(action.status for action in plan.actions if hasattr(action, "status"))
    for name, word in (("Ready", "False"), ("Reconciling", "True")):
        condition = status.condition(name)
        assert condition is not None
        assert condition.status == word
        assert "the Deployment serves until all are ready; waiting for n2" in condition.message
