"""Completion for shells, and for kubectl, which asks a program called ``kubectl_complete-edgemodel``."""

import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.completion import (  # type: ignore[attr-defined]  # Typer's __all__ does not have them
    completion_init,
    get_completion_script,
)

from edgemodel_cli.errors import CommandError

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

PROGRAM = "edgemodel"
VARIABLE = "_EDGEMODEL_COMPLETE"
"""Environment variable by which a shell asks for completions."""
PATIENCE = 2.0
"""Seconds after which a cluster that does not answer has no names to propose."""
BARRED = ("Quarantined", "Rejected")
NO_FILES, FILES = ":4", ":0"
"""The last line for kubectl: whether names of files may follow.
https://github.com/spf13/cobra/blob/main/site/content/completions/_index.md"""


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", show_default=False)],
) -> None:
    """Print what makes a shell complete commands, names and versions.

    Example: source <(edgemodel completion bash)

    For fish: edgemodel completion fish > ~/.config/fish/completions/edgemodel.fish

    kubectl completes `kubectl edgemodel` by itself where kubectl_complete-edgemodel is on the PATH, as it is
    beside this command.
    """
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))


def prepare() -> None:
    """Let the command answer shells."""
    completion_init()


def complete_names(ctx: typer.Context) -> Iterator[str]:
    """Names of EdgeModels of the namespace that the line names."""
    with suppress(CommandError):
        yield from (body["metadata"]["name"] for body in _cluster(ctx).read_all())


def complete_namespaces(ctx: typer.Context) -> Iterator[str]:
    """Namespaces that have EdgeModels."""
    with suppress(CommandError):
        yield from sorted({body["metadata"]["namespace"] for body in _cluster(ctx).read_all(everywhere=True)})


def complete_versions(ctx: typer.Context) -> Iterator[str]:
    """Versions of the EdgeModel that the line names: those that the verb can be about."""
    with suppress(CommandError):
        body = _cluster(ctx).read(str(ctx.params.get("name")))
        wanted = ctx.info_name == "clear-quarantine"
        for version in body.get("status", {}).get("versions", ()):
            if (version.get("state") in BARRED) is wanted:
                yield version["name"]


def complete_subjects(ctx: typer.Context) -> Iterator[str]:
    """What waits for a person."""
    with suppress(CommandError):
        body = _cluster(ctx).read(str(ctx.params.get("name")))
        for approval in body.get("status", {}).get("approvals", ()):
            if "decision" not in approval:
                yield approval["subject"]


def complete_for_kubectl() -> None:
    """Answer kubectl, which completes ``kubectl edgemodel …``: one proposal a line, then a directive."""
    from edgemodel_cli.__main__ import app  # noqa: PLC0415 - it imports this module

    # Fish's protocol is kubectl's: a value, a tab, its description.
    line = shlex.join([PROGRAM, *sys.argv[1:]])
    os.environ |= {VARIABLE: "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    answer = io.StringIO()
    with suppress(SystemExit), redirect_stdout(answer):
        app(prog_name=PROGRAM, complete_var=VARIABLE)
    proposals = answer.getvalue().strip("\n")
    sys.stdout.write(f"{proposals}\n{NO_FILES}\n" if proposals else f"{FILES}\n")


def _cluster(ctx: typer.Context) -> "Cluster":
    from edgemodel_cli.cluster import Cluster  # noqa: PLC0415 - half a second that other completions do without

    kubeconfig = ctx.params.get("kubeconfig")
    where = None if kubeconfig is None else Path(kubeconfig)
    return Cluster(where, ctx.params.get("context"), ctx.params.get("namespace"), patience=PATIENCE)
