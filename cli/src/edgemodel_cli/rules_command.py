"""``edgemodel rules``: the alert rules for a Prometheus that reads rule files."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from edgemodel.alerting import render_groups, render_operator_group
from edgemodel_cli.rules_file import read_rules

HEAD = """\
# Alert rules for Prometheus (rule_files). An alert has the labels of its series: edgemodel, namespace, node and fault;
# with them Alertmanager's webhook to the operator names the EdgeModel. Which labels a scrape must keep says
# docs/install.md, "Whom the operator believes". Written by `edgemodel rules`.
"""


def print_rules(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            show_default=False,
            help="An EdgeModel, or a `rules:` list; without it: for all of them, and the operator.",
        ),
    ] = None,
) -> None:
    """Print alert rules for Prometheus, one per fault rule of an EdgeModel.

    Where the Prometheus Operator is installed this is not needed: the operator makes a PrometheusRule.

    Example: edgemodel rules edgemodel.yaml > /etc/prometheus/rules/digits.yaml
    """
    if file is None:
        groups = [*render_groups(), render_operator_group()]
    else:
        known = read_rules(file)
        groups = render_groups(known.rules, namespace=known.namespace, name=known.name, interval=known.interval)
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=110, allow_unicode=True)
    typer.echo(HEAD + text, nl=False)
