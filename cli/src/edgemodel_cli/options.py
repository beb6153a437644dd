"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

from edgemodel_registry import Client, Progress

CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="EDGEMODEL_REGISTRY_CA",
        help="The registry's certificate authorities, instead of the system's.",
    ),
]
DockerConfig = Annotated[
    Path | None,
    typer.Option(
        "--docker-config",
        envvar="EDGEMODEL_DOCKER_CONFIG",
        help="File with registry logins; without it docker's own is used, where there is one.",
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Also give it this tag; repeat for more.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="The new folder.", show_default=False)]
Digest = Annotated[str, typer.Option("--digest", help="sha256 digest of the manifest.", show_default=False)]

stdout = Console(highlight=False, markup=False)
stderr = Console(stderr=True, highlight=False, markup=False)


def make_client(ca_file: Path | None, docker_config: Path | None) -> Client:
    """A registry client with docker's own logins where no file was named."""
    return Client(ca_file, docker_config or _dockers_own())


def transfer_bar() -> Bar:
    """A progress bar on stderr; it draws nothing where stderr is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Bar(*columns, console=stderr, disable=not stderr.is_terminal)


def follow(bar: Bar, what: str) -> Progress:
    """A callback that moves `bar`."""
    task = bar.add_task(what, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _dockers_own() -> Path | None:
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
    return path if path.is_file() else None
