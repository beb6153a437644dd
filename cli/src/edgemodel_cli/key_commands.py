"""``edgemodel key``: keys to sign artifacts with."""

from pathlib import Path
from typing import Annotated

import typer

from edgemodel.signature import key_id, short_id
from edgemodel_cli.options import stderr

app = typer.Typer(help="Make keys to sign artifacts with.", no_args_is_help=True)


@app.callback()
def key() -> None:
    """Make keys to sign artifacts with."""


@app.command()
def create(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The new private key; FILE.pub is its public half.")
    ] = Path("edgemodel.key"),
) -> None:
    """Make an Ed25519 key; prints its public half on stdout, as spec.registry.trustedKeys takes it.

    Example: edgemodel key create plant.key
    """
    from edgemodel_registry.signing import create_key  # noqa: PLC0415 - cryptography; other commands do without

    made = create_key(file)
    stderr.print(f"wrote {file} (keep it secret) and {file}.pub; key {short_id(key_id(made.public))}", soft_wrap=True)
    typer.echo(made.public)
