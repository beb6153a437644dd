"""``edgemodel rehearse``: try fault rules on recorded samples before trusting them."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from edgemodel_cli.errors import BadInput
from edgemodel_cli.options import print_json, stderr, stdout
from edgemodel_cli.plot import draw
from edgemodel_cli.recording import Recording, read_recording
from edgemodel_cli.rehearsal import Rehearsal, rehearse
from edgemodel_cli.rules_file import read_rules


def rehearse_rules(
    rules: Annotated[
        Path, typer.Argument(metavar="RULES.yaml", show_default=False, help="An EdgeModel, or a `rules:` list.")
    ],
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES.csv", show_default=False, help="A time column, and one per metric; empty cells are absent."
        ),
    ],
    output: Annotated[
        Literal["table", "json", "png"], typer.Option("-o", "--output", help="How to print it; png goes to stdout.")
    ] = "table",
) -> None:
    """Show when fault rules would have fired on recorded samples, and what the ladder would have done.

    Example: edgemodel rehearse edgemodel.yaml last-week.csv
    """
    wanted, recording = read_rules(rules), read_recording(samples)
    for rule in wanted.rules:
        if rule.metric not in recording.metrics:
            stderr.print(f"{rule.name}: there is no column {rule.metric}, so it never fires", soft_wrap=True)
    found = rehearse(wanted, recording)
    match output:
        case "json":
            print_json(found.as_json())
        case "png":
            if sys.stdout.isatty():
                raise BadInput("-o png: send it to a file: edgemodel rehearse … -o png > rehearsal.png")
            sys.stdout.buffer.write(draw(wanted, recording, found))
        case "table":
            _print(recording, found)


def _print(recording: Recording, found: Rehearsal) -> None:
    if found.firings:
        table = _table("TIME", "RULE", "VALUE", "THRESHOLD", "SEVERITY", "LADDER")
        for fired in found.firings:
            firing = fired.firing
            numbers = (f"{firing.value:.4g}", f"{firing.threshold:g}")
            table.add_row(str(fired.time), firing.rule, *numbers, firing.severity.value, fired.ladder)
        stdout.print(table)
    if found.rungs:
        table = _table("TIME", "FAULT", "WHAT THE LADDER WOULD HAVE DONE")
        for rung in found.rungs:
            table.add_row(str(rung.time), rung.fault, rung.step)
        stdout.print()
        stdout.print(table)
    count = len(found.firings)
    stderr.print(f"{count} firing{'' if count == 1 else 's'} in {len(recording.rows)} samples", soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # a time is read as one word
    return table
