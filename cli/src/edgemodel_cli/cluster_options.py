"""Options of the commands that speak to a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the EdgeModel.", show_default=False)]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Name of a version.", show_default=False)]
Namespace = Annotated[
    str | None, typer.Option("-n", "--namespace", help="Its namespace; without it the context's.", show_default=False)
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.", show_default=False)]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="File to use instead of kubectl's own.", show_default=False)
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for the operator's answer.")]


def connect(kubeconfig: Path | None, context: str | None, namespace: str | None) -> "Cluster":
    """The cluster that the options name.

    Raises:
        NoCluster: see `Cluster`.
    """
    from edgemodel_cli.cluster import Cluster  # noqa: PLC0415 - half a second that bundle commands do without

    return Cluster(kubeconfig, context, namespace)
