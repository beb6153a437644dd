"""Options that several commands share."""

import json
import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from edgemodel_registry import Client, Progress

CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="EDGEMODEL_REGISTRY_CA",
        help="The registry's certificate authorities, besides the system's.",
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
SignKey = Annotated[
    Path | None,
    typer.Option(
        "--sign-key", help="Sign it with this private key: edgemodel key create makes one.", show_default=False
    ),
]
TrustedKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--trusted-key", help="File with public keys, PEM; repeat for more.", metavar="FILE.pub", show_default=False
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="The new folder.", show_default=False)]
Digest = Annotated[str, typer.Option("--digest", help="sha256 digest of the manifest.", show_default=False)]

stdout = Console(highlight=False, markup=False)
stderr = Console(stderr=True, highlight=False, markup=False)


def print_json(document: Any) -> None:
    """For programs, on stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_lines(lines: Iterable[str]) -> None:
    """Sentences on stdout, folded at the terminal's width and indented under their first line."""
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        typer.echo("\n".join(textwrap.wrap(line, stdout.width, subsequent_indent=indent, break_on_hyphens=False)))


def make_client(ca_file: Path | None, docker_config: Path | None) -> "Client":
    """A registry client with docker's own logins where no file was named."""
    from edgemodel_registry import Client  # noqa: PLC0415 - half a second that other commands do without

    return Client(ca_file, docker_config or _dockers_own())


def transfer_bar() -> Bar:
    """A progress bar on stderr; it draws nothing where stderr is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Bar(*columns, console=stderr, disable=not stderr.is_terminal)


def follow(bar: Bar, what: str) -> "Progress":
    """A callback that moves `bar`."""
    task = bar.add_task(what, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _dockers_own() -> Path | None:
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
    return path if path.is_file() else None
