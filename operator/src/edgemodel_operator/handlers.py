"""kopf glue: events put the key of an EdgeModel on the queue, and indexes are kept. Nothing is decided here."""

from collections.abc import Mapping
from typing import Any

import kopf

from edgemodel_operator.api.resource import GROUP, PLURAL, VERSION
from edgemodel_operator.cluster.trim import keep, trim_node
from edgemodel_operator.cluster.world import World
from edgemodel_operator.model.naming import LABEL_MODEL, Key
from edgemodel_operator.queue import KeyedQueue

Body = Mapping[str, Any]


class NoDiffs(kopf.DiffBaseStorage):
    """What kopf remembers of an object for handlers of changes: nothing, as there are none.

    To find out what has changed it would copy each object of each event twice, which took longer than all the rest.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        """What matters of an object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """What mattered of it when it was handled last."""

    def store(self, **_: Any) -> None:
        """Keep what matters of it."""


CHILDREN: Mapping[str, tuple[str, str, str]] = {
    "ConfigMap": ("", "v1", "configmaps"),
    "Service": ("", "v1", "services"),
    "DaemonSet": ("apps", "v1", "daemonsets"),
    "Deployment": ("apps", "v1", "deployments"),
    "Job": ("batch", "v1", "jobs"),
    "Pod": ("", "v1", "pods"),
}
"""Where each kind is; only objects with our label are asked for."""
PROMETHEUS_RULE = ("monitoring.coreos.com", "v1", "prometheusrules")
"""A child where the cluster knows the kind."""
PAGE = 500
"""Objects in one answer to a list, as kubectl has it: thousands of nodes at once are more than our memory."""


def register(
    registry: kopf.OperatorRegistry, world: World, queue: KeyedQueue[Key], *, prometheus_rules: bool = False
) -> None:
    """Put all handlers into `registry`; those of PrometheusRules only where the cluster knows them."""
    children = {**CHILDREN, **({"PrometheusRule": PROMETHEUS_RULE} if prometheus_rules else {})}
    _register_start(registry, world, children)
    _register_models(registry, world, queue)
    _register_nodes(registry, world, queue)
    for kind, where in children.items():
        _register_children(registry, world, queue, kind, where)


def _register_start(
    registry: kopf.OperatorRegistry, world: World, children: Mapping[str, tuple[str, str, str]]
) -> None:
    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **kwargs: Any) -> None:
        settings.posting.enabled = False
        settings.persistence.diffbase_storage = NoDiffs()
        settings.queueing.idle_timeout = 0.5  # for which a task for each object keeps all of its last event
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        settings.watching.connect_timeout = 10
        settings.watching.chunk_size = PAGE
        for where in children.values():  # what handlers ask for is sorted out only here, when it has come
            settings.watching.label_selectors[where] = LABEL_MODEL
        settings.networking.request_timeout = 30
        world.bind({kind: kwargs[_index(kind)] for kind in ("EdgeModel", "Node", *children)})

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _register_models(registry: kopf.OperatorRegistry, world: World, queue: KeyedQueue[Key]) -> None:
    @kopf.index(GROUP, VERSION, PLURAL, id=_index("EdgeModel"), registry=registry)
    async def index(body: kopf.Body, namespace: str | None, name: str, **_: Any) -> dict[Key, object]:
        return {Key(namespace or "", name): keep("EdgeModel", body)}

    @kopf.on.event(GROUP, VERSION, PLURAL, id="wake-edgemodel", registry=registry)
    async def wake(type: str | None, namespace: str | None, name: str, **_: Any) -> None:  # noqa: A002 (kopf's name)
        world.complete.set()
        key = Key(namespace or "", name)
        if type == "DELETED":
            world.deleted(key, "EdgeModel", name)
        queue.add(key)


def _register_nodes(registry: kopf.OperatorRegistry, world: World, queue: KeyedQueue[Key]) -> None:
    known: dict[str, dict[str, Any]] = {}

    @kopf.index("", "v1", "nodes", id=_index("Node"), registry=registry)
    async def index(body: kopf.Body, name: str, **_: Any) -> dict[str, object]:
        return {name: keep("Node", body)}

    @kopf.on.event("", "v1", "nodes", id="wake-node", registry=registry)
    async def wake(type: str | None, body: kopf.Body, name: str, **_: Any) -> None:  # noqa: A002 (kopf's name)
        world.complete.set()
        node = None if type == "DELETED" else trim_node(body)
        if known.get(name) == node:  # heartbeats change nothing that matters here
            return
        known.pop(name, None) if node is None else known.update({name: node})
        for key in world.edgemodels():
            queue.add(key)


def _register_children(
    registry: kopf.OperatorRegistry, world: World, queue: KeyedQueue[Key], kind: str, where: tuple[str, str, str]
) -> None:
    ours = {LABEL_MODEL: kopf.PRESENT}

    @kopf.index(*where, id=_index(kind), labels=ours, registry=registry)
    async def index(body: kopf.Body, namespace: str | None, labels: kopf.Labels, **_: Any) -> dict[Key, object]:
        return {Key(namespace or "", labels[LABEL_MODEL]): keep(kind, body)}

    @kopf.on.event(*where, id=f"wake-{kind.lower()}", labels=ours, registry=registry)
    async def wake(type: str | None, namespace: str | None, name: str, labels: kopf.Labels, **_: Any) -> None:  # noqa: A002 (kopf's name)
        key = Key(namespace or "", labels[LABEL_MODEL])
        if type == "DELETED":
            world.deleted(key, kind, name)
        queue.add(key)


def _index(kind: str) -> str:
    return f"index_{kind.lower()}"
