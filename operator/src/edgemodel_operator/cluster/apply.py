"""Carries out a plan: each action once, in order; stops at the first that fails, since a later tick plans anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from edgemodel_operator.api.resource import GROUP, KIND, VERSION, EdgeModel
from edgemodel_operator.cluster.client import Cluster
from edgemodel_operator.cluster.ownership import is_ending, is_left, is_ours
from edgemodel_operator.cluster.world import World
from edgemodel_operator.errors import Conflict, Invalid, NameTaken, Unavailable
from edgemodel_operator.model.naming import ANNOTATION_REVISION, Key, nudge_text
from edgemodel_operator.model.plan import Action, Create, Delete, Ensure, Event, Nudge, Object, WriteStatus

CONTROLLER = "edgemodel.dev/operator"
NOTE_LIMIT = 1024
"""Bytes of an event's note: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What actions are performed with."""

    cluster: Cluster
    world: World
    children: Mapping[tuple[str, str], Mapping[str, Any]]
    """By kind and name, as the plan's observation has them."""
    now: datetime


async def carry_out(hands: Hands, model: EdgeModel, body: Mapping[str, Any], action: Action) -> None:
    """Perform one action of a plan for `model`, whose object is `body`.

    Raises:
        ClusterError: the API server refused or did not answer.
    """
    cluster, world, namespace, key = hands.cluster, hands.world, model.namespace, Key(*model.key)
    match action:
        case WriteStatus(status):
            wire = status.model_dump(mode="json", by_alias=True, exclude_none=True)
            version = body["metadata"]["resourceVersion"]
            world.wrote(key, await cluster.write_status(namespace, model.name, version, wire), hands.now)
        case Ensure(wanted):
            await _ensure(hands, model, wanted)
        case Create(wanted):
            await _create(hands, model, wanted)
        case Delete(kind, name):
            await cluster.delete(kind, namespace, name)
            world.deleted(key, kind, name)
        case Nudge(pod, revision, again):
            text = nudge_text(revision, again)
            world.nudged(await cluster.annotate("Pod", namespace, pod, {ANNOTATION_REVISION: text}), hands.now)
        case _:
            assert_never(action)


async def post(cluster: Cluster, model: EdgeModel, event: Event, now: datetime, instance: str) -> None:
    """Post one event about `model`."""
    regarding = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "namespace": model.namespace,
        "name": model.name,
        "uid": model.uid,
    }
    body = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{model.name}-", "namespace": model.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": event.reason,
        "reason": event.reason,
        "type": event.type,
        "note": event.message.encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": regarding,
    }
    await cluster.create(body)


async def _ensure(hands: Hands, model: EdgeModel, wanted: Object) -> None:
    """Write a child; whose the one that is there is, is asked first where the watch has not told."""
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    known = hands.children.get((kind, name))
    if known is not None and is_ours(known, model) and await _update(hands, model, wanted, known["metadata"]["uid"]):
        return
    present = await hands.cluster.read(kind, model.namespace, name)
    if present is not None and not is_ours(present, model):
        await _take_over(hands, model, wanted, present)
    hands.world.wrote(Key(*model.key), await hands.cluster.apply(wanted), hands.now)


async def _update(hands: Hands, model: EdgeModel, wanted: Object, uid: str) -> bool:
    """Write to the child with this uid and to no other; False: that is refused, so somebody has to look why."""
    try:
        written = await hands.cluster.apply({**wanted, "metadata": {**wanted["metadata"], "uid": uid}})
    except (Conflict, Invalid):
        return False
    hands.world.wrote(Key(*model.key), written, hands.now)
    return True


async def _take_over(hands: Hands, model: EdgeModel, wanted: Object, present: Object) -> None:
    """Become the one owner of what a predecessor left; an apply alone might add a second one."""
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    if is_ending(present):
        raise Unavailable(f"{kind} {model.namespace}/{name} is being deleted: it is made anew when it is gone")
    if not is_left(present, model):
        raise NameTaken(f"{kind} {model.namespace}/{name} is not ours: delete or rename it")
    owners, version = wanted["metadata"]["ownerReferences"], present["metadata"]["resourceVersion"]
    await hands.cluster.own(kind, model.namespace, name, version, owners)


async def _create(hands: Hands, model: EdgeModel, wanted: Object) -> None:
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    try:
        hands.world.wrote(Key(*model.key), await hands.cluster.create(wanted), hands.now)
    except Conflict:
        present = await hands.cluster.read(kind, model.namespace, name)
        if present is not None and not is_ours(present, model):
            raise NameTaken(f"{kind} {model.namespace}/{name} is not ours: delete or rename it") from None
