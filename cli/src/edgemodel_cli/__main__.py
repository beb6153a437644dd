"""The ``edgemodel`` command, also ``kubectl edgemodel``."""

import sys

import typer

from edgemodel_cli import bundle_commands, dataset_commands
from edgemodel_cli.errors import CommandError
from edgemodel_registry import RegistryError

app = typer.Typer(
    help="Make models servable on edge nodes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bundle_commands.app, name="bundle")
app.add_typer(dataset_commands.app, name="dataset")


def main() -> None:
    """Run one command: exit code 0, 1 with one line on stderr, or 2 for a wrong call."""
    try:
        app()
    except (CommandError, RegistryError, OSError) as error:
        # One line: messages of several lines come from documents with several mistakes.
        sys.exit(f"edgemodel: {'; '.join(str(error).splitlines())}")


if __name__ == "__main__":
    main()
