"""``edgemodel status``, ``tree``, ``history``, ``explain``, ``report``: how EdgeModels on a cluster are."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgemodel_cli import explain as explaining
from edgemodel_cli import views
from edgemodel_cli.cluster_options import Format, MaybeName, Name, on_cluster
from edgemodel_cli.options import print_json, print_lines, stderr, stdout
from edgemodel_cli.report import write_report
from edgemodel_cli.report_formats import as_html, as_markdown
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


@on_cluster
def report(
    cluster: "Cluster",
    name: Name,
    output: Annotated[
        Literal["markdown", "html", "json"], typer.Option("-o", help="How to write it.", show_default=True)
    ] = "markdown",
    file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to write it; without it stdout.")
    ] = None,
) -> None:
    """Write an incident report for a ticket: wish, versions, timeline of heals, distillation, events, nodes, rules.

    The page of -o html stands by itself. Secrets are never in it.

    Example: kubectl edgemodel report digits -o html --output digits.html
    """
    model = Seen(cluster.read(name))
    found = write_report(model, cluster.events(name), datetime.now(UTC))
    match output:
        case "markdown":
            document = as_markdown(found)
        case "html":
            document = as_html(found)
        case "json":
            document = json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n"
    if file is None:
        typer.echo(document, nl=False)
    else:
        file.write_text(document, encoding="utf-8")
        stderr.print(f"wrote {file}", soft_wrap=True)


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
