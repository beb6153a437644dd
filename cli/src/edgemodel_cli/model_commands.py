"""``edgemodel status``, ``tree``, ``history``, ``explain``: how EdgeModels on a cluster are."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.console import RenderableType

from edgemodel_cli import views
from edgemodel_cli.cluster_options import Context, Kubeconfig, Name, Namespace, connect
from edgemodel_cli.explain import explain as explained
from edgemodel_cli.options import stderr, stdout
from edgemodel_cli.seen import Seen

NOT_READY = 3
"""Exit code of ``status`` where something is not ready."""
POLL = 2.0
"""Seconds between two looks of ``status -w``."""

Format = Annotated[Literal["table", "json"], typer.Option("-o", "--output", help="How to print it.")]


def status(  # noqa: PLR0913, PLR0917 - a command's options
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One EdgeModel; without it all.")] = None,
    namespace: Namespace = None,
    everywhere: Annotated[bool, typer.Option("-A", "--all-namespaces", help="Of all namespaces.")] = False,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Print it again whenever it changes.")] = False,
    output: Format = "table",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show how EdgeModels are; exits with 3 where one is not ready.

    Example: kubectl edgemodel status digits -n plant-a -w
    """
    cluster = connect(kubeconfig, context, namespace)
    models: list[Seen] = []
    shown = None
    with suppress(KeyboardInterrupt):  # how a watch ends
        while True:
            bodies = [cluster.read(name)] if name else cluster.read_all(everywhere=everywhere)
            models = [Seen(body) for body in bodies]
            present = [(model.name, model.spec, model.status) for model in models]
            if present != shown:
                shown = present
                _show(models, name, output, everywhere=everywhere)
                if not models:
                    stderr.print(f"no EdgeModels in {'any namespace' if everywhere else cluster.namespace}")
            if not watch:
                break
            time.sleep(POLL)
    if not all(model.ready for model in models):
        raise typer.Exit(NOT_READY)


def tree(name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Show one EdgeModel with its versions, nodes that differ, faults, rollout and distillation.

    Example: kubectl edgemodel tree digits
    """
    _print(views.tree(Seen(connect(kubeconfig, context, namespace).read(name)), datetime.now(UTC)))


def history(
    name: Name,
    namespace: Namespace = None,
    output: Format = "table",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what was done about faults and what people asked for, oldest first.

    Example: kubectl edgemodel history digits
    """
    rows = views.history(Seen(connect(kubeconfig, context, namespace).read(name)))
    if output == "json":
        typer.echo(json.dumps({"history": rows}, indent=2, ensure_ascii=False))
    elif rows:
        _print(views.history_table(rows))
    else:
        stderr.print("nothing has happened yet")


def explain(name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Say why one EdgeModel is as it is, what is waited for, and what to do next.

    Example: kubectl edgemodel explain digits
    """
    for line in explained(Seen(connect(kubeconfig, context, namespace).read(name)), datetime.now(UTC)):
        typer.echo(line)


def _show(models: list[Seen], name: str | None, output: str, *, everywhere: bool) -> None:
    now = datetime.now(UTC)
    if output == "json":
        bodies = [dict(model.body) for model in models]
        document = bodies[0] if name else {"apiVersion": "v1", "kind": "List", "items": bodies}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif name:
        for part in views.details(models[0], now):
            _print(part)
    elif models:
        _print(views.overview(models, now, namespaces=everywhere))


def _print(part: RenderableType) -> None:
    stdout.print(part)
