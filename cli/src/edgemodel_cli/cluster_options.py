"""Arguments and options of the commands that speak to a cluster, and what gives them to a command."""

import functools
import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Literal, ParamSpec

import typer

from edgemodel_cli.completion import complete_names, complete_namespaces, complete_subjects, complete_versions

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

P = ParamSpec("P")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of the EdgeModel.", show_default=False, autocompletion=complete_names),
]
MaybeName = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="One EdgeModel; without it all.", show_default=False, autocompletion=complete_names
    ),
]
Version = Annotated[
    str,
    typer.Argument(metavar="VERSION", help="Name of a version.", show_default=False, autocompletion=complete_versions),
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT",
        help="The fault or the version that is asked about; needed where more than one thing waits.",
        show_default=False,
        autocompletion=complete_subjects,
    ),
]
Format = Annotated[Literal["table", "json"], typer.Option("-o", "--output", help="How to print it.")]

_NAMESPACE = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--namespace",
        help="Its namespace; without it the context's.",
        show_default=False,
        autocompletion=complete_namespaces,
    ),
]
_CONTEXT = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.", show_default=False)]
_KUBECONFIG = Annotated[
    Path | None, typer.Option("--kubeconfig", help="File to use instead of kubectl's own.", show_default=False)
]


def option(name: str, annotation: Any, default: object = None) -> Parameter:
    """One more option for `with_parameters`."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_WHERE = (option("namespace", _NAMESPACE), option("context", _CONTEXT), option("kubeconfig", _KUBECONFIG))


def on_cluster(command: "Callable[Concatenate[Cluster, P], None]") -> Callable[..., None]:
    """Give `command` the options that say where; it is called with the cluster as its first argument."""

    def run(*, namespace: str | None, context: str | None, kubeconfig: Path | None, **arguments: Any) -> None:
        from edgemodel_cli.cluster import Cluster  # noqa: PLC0415 - half a second that other commands do without

        command(Cluster(kubeconfig, context, namespace), **arguments)  # type: ignore[call-arg]  # the rest is P

    _, *own = inspect.signature(command).parameters.values()
    return with_parameters(run, command, [*own, *_WHERE])


def with_parameters(
    run: Callable[..., None], command: Callable[..., object], parameters: Sequence[Parameter]
) -> Callable[..., None]:
    """`run` as Typer is to see it: with the name and the help of `command`, and with these parameters."""
    functools.update_wrapper(run, command)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect.signature reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
