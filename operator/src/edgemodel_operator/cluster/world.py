"""What is known of the cluster, from watch-fed indexes; a tick at rest asks the API server nothing."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from edgemodel import series, wish
from edgemodel_operator.api.reasons import Reason
from edgemodel_operator.api.resource import EdgeModel
from edgemodel_operator.cluster.jobs import job_of, leads
from edgemodel_operator.cluster.ownership import is_left, is_ours
from edgemodel_operator.cluster.pods import mode_of, nodes_of, unit_of
from edgemodel_operator.cluster.trim import keep_child, trim_pod, unpack
from edgemodel_operator.model import naming
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import (
    Alert,
    Notice,
    Observation,
    Pod,
    Report,
    Target,
    Training,
)

Body = Mapping[str, Any]
Index = Mapping[Any, Iterable[Any]]
CHILD_KINDS = ("ConfigMap", "Service", "DaemonSet", "Deployment", "Job", "PrometheusRule")

LATELY = timedelta(minutes=2)
"""How long it matters when a pod was nudged; longer than a report stays fresh."""
WATCH_LAG = timedelta(seconds=10)
"""How long a child that was written may be missing from the watch before it counts as gone."""


class Signals(Protocol):
    """What is known beyond the API server."""

    def reports(self, key: Key, now: datetime) -> Mapping[str, Report]:
        """Fresh reports by node."""
        ...

    def alerts(self, key: Key, now: datetime) -> tuple[Alert, ...] | None:
        """Alerts that fire now; None where they are not asked for."""
        ...

    def notices(self, key: Key) -> tuple[Notice, ...]:
        """What the webhook brought and no status has yet."""
        ...

    def training(self, key: Key) -> Training | None:
        """How far the distillation Job says that it is."""


class World:
    """Indexes by kind, and our own writes until the watch shows them (else a tick would decide on its own past)."""

    def __init__(self, rule_labels: Mapping[str, str] | None = None) -> None:
        """`rule_labels`: see `Observation`."""
        self._rule_labels = rule_labels
        self._indexes: dict[str, Index] = {}
        self._written: dict[Key, dict[tuple[str, str], tuple[bytes, datetime]]] = {}  # by kind and name, packed
        self._nudged: dict[str, Body] = {}  # pods by uid
        self._nudged_at: dict[str, datetime] = {}  # the same
        self._obstacles: dict[Key, tuple[Reason, str]] = {}
        self.complete = asyncio.Event()
        """Set once the indexes hold all there is; handlers are called only then."""

    def bind(self, indexes: Mapping[str, Index]) -> None:
        """Take the live indexes: EdgeModel and the child kinds, packed, and Pod by `Key`, Node by name."""
        self._indexes = dict(indexes)

    def edgemodels(self) -> list[Key]:
        """All EdgeModels."""
        return [Key(*key) for key in self._indexes.get("EdgeModel", {})]

    def targets(self) -> Iterator[Target]:
        """All pods that can be scraped: those that serve, and those of distillation Jobs that run.

        None on nodes that the control plane has lost: to wait for them would make the others' news old.
        """
        for key, pods in self._indexes.get("Pod", {}).items():
            body = next(iter(self._packed("EdgeModel", key)), {})
            mode = body.get("spec", {}).get("placement", {}).get("mode", "EveryNode")
            namespace, name = key
            for pod in (pod for pod in pods if pod["address"] and self._in_sight(pod)):
                if pod["component"] == naming.SERVING:
                    yield Target(pod["address"], series.identity(name, namespace, unit_of(pod, mode)))
                elif leads(pod) and pod["component"] == naming.DISTILLING and pod["phase"] == "Running":
                    yield Target(pod["address"], series.identity(name, namespace, pod["name"]), trains=True)

    def wrote(self, key: Key, body: Body, now: datetime) -> None:
        """Remember what a write for `key` returned until the watch has caught up."""
        kind, name = body["kind"], body["metadata"]["name"]
        self._written.setdefault(key, {})[kind, name] = (keep_child(kind, body), now)

    def nudged(self, body: Body, now: datetime) -> None:
        """Remember what nudging a pod returned until the watch has caught up, so that it is nudged once, and when."""
        uid = body["metadata"]["uid"]
        self._nudged[uid] = trim_pod(body)
        self._nudged_at.pop(uid, None)
        self._nudged_at[uid] = now
        while now - self._nudged_at[oldest := next(iter(self._nudged_at))] >= LATELY:
            del self._nudged_at[oldest]

    def deleted(self, key: Key, kind: str, name: str) -> None:
        """An object of `key` is gone: what was written to it is of no interest any more."""
        self._forget(key, (kind, name))
        if kind == "EdgeModel":
            self._written.pop(key, None)
        if kind == "Pod":
            self._nudged = {uid: pod for uid, pod in self._nudged.items() if pod["name"] != name}

    def stumbled(self, key: Key, obstacle: tuple[Reason, str] | None) -> None:
        """Remember why the last plan could not be carried out (None: it could)."""
        if obstacle is None:
            self._obstacles.pop(key, None)
        else:
            self._obstacles[key] = obstacle

    def body(self, key: Key) -> Body | None:
        """The EdgeModel as it was last seen or written."""
        return next((self._latest(key, "EdgeModel", body) for body in self._packed("EdgeModel", key)), None)

    def observe(self, model: EdgeModel, signals: Signals, now: datetime) -> Observation:
        """Everything that is known about `model` at `now`."""
        key = Key(model.namespace, model.name)
        children = {**self._unseen(model, key, now), **self._children(model, key)}
        pods = [pod for pod in self._of("Pod", key) if not pod["deleting"]]
        serving = [pod for pod in pods if pod["component"] == naming.SERVING]
        mode = model.spec.placement.mode
        staying = [pod for pod in serving if mode_of(pod, mode) == mode]
        return Observation(
            now=now,
            model=model,
            nodes=nodes_of(model.spec.placement, self._all("Node"), staying),
            pods=tuple(self._pod(pod, mode) for pod in staying),
            leaving=tuple(self._pod(pod, mode) for pod in serving if pod not in staying),
            reports=signals.reports(key, now),
            alerts=signals.alerts(key, now),
            notices=signals.notices(key),
            jobs=tuple(job_of(body, pods, now) for (kind, _), body in sorted(children.items()) if kind == "Job"),
            training=signals.training(key),
            wish=_wish(children.get(("ConfigMap", naming.wish_config_map(model.name)))),
            obstacle=self._obstacles.get(key),
            children=children,
            rule_labels=self._rule_labels,
        )

    def _children(self, model: EdgeModel, key: Key) -> dict[tuple[str, str], Body]:
        return {
            (kind, body["metadata"]["name"]): self._latest(key, kind, body)
            for kind in CHILD_KINDS
            for body in self._packed(kind, key)
            if is_ours(body, model) or is_left(body, model)
        }

    def _unseen(self, model: EdgeModel, key: Key, now: datetime) -> dict[tuple[str, str], Body]:
        """Children that were written a moment ago and that the watch has not shown yet."""
        lately = {
            (kind, name): unpack(packed)
            for (kind, name), (packed, at) in self._written.get(key, {}).items()
            if kind in CHILD_KINDS and now - at < WATCH_LAG
        }
        return {place: body for place, body in lately.items() if is_ours(body, model)}

    def _of(self, kind: str, key: Key) -> list[Any]:
        return list(self._indexes.get(kind, {}).get(tuple(key), ()))

    def _packed(self, kind: str, key: Key) -> list[Body]:
        return [unpack(packed) for packed in self._of(kind, key)]

    def _all(self, kind: str) -> list[Body]:
        return [body for bodies in self._indexes.get(kind, {}).values() for body in bodies]

    def _latest(self, key: Key, kind: str, seen: Body) -> Body:
        place = (kind, seen["metadata"]["name"])
        known = self._written.get(key, {}).get(place)
        if known is None:
            return seen
        written = unpack(known[0])
        if written["metadata"]["uid"] != seen["metadata"]["uid"] or _version(seen) >= _version(written):
            self._forget(key, place)
            return seen
        return written

    def _forget(self, key: Key, place: tuple[str, str]) -> None:
        known = self._written.get(key, {})
        known.pop(place, None)
        if not known:
            self._written.pop(key, None)

    def _in_sight(self, pod: Body) -> bool:
        """Whether the control plane hears of the node that a pod is on."""
        node = next(iter(self._indexes.get("Node", {}).get(pod["node"], ())), None)
        return node is not None and node["ready"] is not None

    def _pod(self, pod: Body, mode: str) -> Pod:
        revision, again = naming.parse_nudge(self._nudge(pod))
        return Pod(
            name=pod["name"],
            node=unit_of(pod, mode),
            ready=pod["ready"] if self._in_sight(pod) else None,
            revision=revision,
            again=again,
            nudged_at=self._nudged_at.get(pod["uid"]),
            address=pod["address"],
            waiting=pod["waiting"],
        )

    def _nudge(self, seen: Body) -> str:
        """What a pod was nudged with, as the watch shows it or as we wrote it since."""
        nudged = self._nudged.get(seen["uid"], seen)
        if int(seen["version"]) >= int(nudged["version"]):
            self._nudged.pop(seen["uid"], None)
            return str(seen["nudge"])
        return str(nudged["nudge"])


def _version(body: Body) -> int:
    """Resource versions of one object are comparable as numbers (Kubernetes 1.35; etcd revisions before that)."""
    text = body["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


def _wish(body: Body | None) -> wish.Wish | None:
    text = None if body is None else body.get("data", {}).get(wish.FILE_NAME)
    try:
        return None if text is None else wish.parse(text)
    except wish.WishError:  # somebody edited it: it is written anew
        return None
