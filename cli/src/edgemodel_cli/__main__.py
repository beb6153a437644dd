"""The ``edgemodel`` command, also ``kubectl edgemodel``."""

import sys

import typer

from edgemodel_cli import bundle_commands, dataset_commands, model_commands, rehearse_command, verb_commands
from edgemodel_cli.errors import CommandError
from edgemodel_registry import RegistryError

app = typer.Typer(
    help="Make models servable on edge nodes, and look after them there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bundle_commands.app, name="bundle")
app.add_typer(dataset_commands.app, name="dataset")
app.command(name="rehearse")(rehearse_command.rehearse_rules)
for about in (model_commands.status, model_commands.tree, model_commands.history, model_commands.explain):
    app.command(rich_help_panel="How EdgeModels are")(about)
app.command(rich_help_panel="What to do about them")(verb_commands.clear_quarantine)
app.command(rich_help_panel="What to do about them")(verb_commands.rollback)
app.command(rich_help_panel="What to do about them")(verb_commands.redistill)
app.command(rich_help_panel="What to do about them")(verb_commands.pause)
app.command(rich_help_panel="What to do about them")(verb_commands.resume)


def main() -> None:
    """Run one command: exit code 0, 1 with one line on stderr, 2 for a wrong call; `status` has 3 as well."""
    try:
        app()
    except (CommandError, RegistryError, OSError) as error:
        # One line: messages of several lines come from documents with several mistakes.
        sys.exit(f"edgemodel: {'; '.join(str(error).splitlines())}")


if __name__ == "__main__":
    main()
