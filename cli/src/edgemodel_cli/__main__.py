"""The ``edgemodel`` command, also ``kubectl edgemodel``."""

import sys
from pathlib import Path

import typer

from edgemodel_cli import (
    bundle_commands,
    completion,
    dataset_commands,
    doctor,
    key_commands,
    model_commands,
    rehearse_command,
    rules_command,
    verb_commands,
)
from edgemodel_cli.errors import CommandError
from edgemodel_registry.errors import RegistryError

app = typer.Typer(
    help="Make models servable on edge nodes, and look after them there.",
    epilog="Exit codes: 0; 1 with one line on stderr that says what went wrong or was refused, and from doctor where a "
    "check failed; 2 for a wrong call; 3 from status where an EdgeModel is not ready; 4 where the operator did not "
    "answer in time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bundle_commands.app, name="bundle")
app.add_typer(dataset_commands.app, name="dataset")
app.add_typer(key_commands.app, name="key")
app.command(name="rehearse")(rehearse_command.rehearse_rules)
app.command(name="rules")(rules_command.print_rules)
app.command(name="completion")(completion.completion)
completion.prepare()
for about in (
    model_commands.status,
    model_commands.tree,
    model_commands.history,
    model_commands.explain,
    doctor.doctor,
    model_commands.report,
):
    app.command(rich_help_panel="How EdgeModels are")(about)
for verb in (
    verb_commands.approve,
    verb_commands.reject,
    verb_commands.promote,
    verb_commands.rollback,
    verb_commands.clear_quarantine,
    verb_commands.redistill,
    verb_commands.pause,
    verb_commands.resume,
):
    app.command(rich_help_panel="What to do about them")(verb)


def main() -> None:
    """Run one command; `epilog` of `app` says with which exit code it ends."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        app(prog_name="kubectl edgemodel" if plugin else completion.PROGRAM, complete_var=completion.VARIABLE)
    except (CommandError, RegistryError, OSError) as error:
        # One line: messages of several lines come from documents with several mistakes.
        sys.stderr.write(f"edgemodel: {'; '.join(_words(error).splitlines())}\n")
        sys.exit(error.exit_code if isinstance(error, CommandError) else 1)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error)


if __name__ == "__main__":
    main()
