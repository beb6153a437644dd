"""``edgemodel status``, ``tree``, ``history``, ``explain``: how EdgeModels on a cluster are."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from edgemodel_cli import explain as explaining
from edgemodel_cli import views
from edgemodel_cli.cluster_options import Format, MaybeName, Name, on_cluster
from edgemodel_cli.options import print_json, print_lines, stderr, stdout
from edgemodel_cli.seen import Seen
from edgemodel_cli.timeline import timeline

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

NOT_READY = 3
"""Exit code of ``status`` where something is not ready."""


@on_cluster
def status(
    cluster: "Cluster",
    name: MaybeName = None,
    everywhere: Annotated[bool, typer.Option("-A", "--all-namespaces", help="Of all namespaces.")] = False,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Print it again whenever it changes.")] = False,
    output: Format = "table",
) -> None:
    """Show how EdgeModels are; exits with 3 where one is not ready.

    Example: kubectl edgemodel status digits -n plant-a -w
    """
    models: list[Seen] = []
    shown = None
    with suppress(KeyboardInterrupt):  # how a watch ends
        for bodies in cluster.follow(name, everywhere=everywhere, seconds=None if watch else 0):
            models = [Seen(body) for body in bodies]
            present = [(model.name, model.spec, model.status) for model in models]
            if present != shown:
                shown = present
                _show(models, name, output, everywhere=everywhere)
                if not models:
                    stderr.print(f"no EdgeModels in {'any namespace' if everywhere else cluster.namespace}")
    if not all(model.ready for model in models):
        raise typer.Exit(NOT_READY)


@on_cluster
def tree(cluster: "Cluster", name: Name, output: Format = "table") -> None:
    """Show one EdgeModel with its versions, nodes that differ, faults, rollout and distillation.

    Example: kubectl edgemodel tree digits
    """
    model = Seen(cluster.read(name))
    if output == "json":
        print_json(views.branches(model))
    else:
        stdout.print(views.tree(model, datetime.now(UTC)))


@on_cluster
def history(cluster: "Cluster", name: Name, output: Format = "table") -> None:
    """Show what was done about faults and what people asked for, oldest first.

    Example: kubectl edgemodel history digits
    """
    found = timeline(Seen(cluster.read(name)))
    if output == "json":
        print_json({"history": [happening.as_json() for happening in found]})
    elif found:
        stdout.print(views.history(found))
    else:
        stderr.print("nothing has happened yet")


@on_cluster
def explain(cluster: "Cluster", name: Name, output: Format = "table") -> None:
    """Say why one EdgeModel is as it is: which check says so, on what evidence, what would change it, what is next.

    Example: kubectl edgemodel explain digits
    """
    found = explaining.explain(Seen(cluster.read(name)))
    if output == "json":
        print_json(found.as_json())
    else:
        print_lines(explaining.lines(found, datetime.now(UTC)))


def _show(models: list[Seen], name: str | None, output: str, *, everywhere: bool) -> None:
    now = datetime.now(UTC)
    if output == "json":
        bodies = [dict(model.body) for model in models]
        print_json(bodies[0] if name else {"apiVersion": "v1", "kind": "List", "items": bodies})
    elif name:
        for part in views.details(models[0], now):
            stdout.print(part)
    elif models:
        stdout.print(views.overview(models, now, namespaces=everywhere))
