"""``edgemodel doctor``: what commonly goes wrong, checked in order; what to do about it. Pure but for the command."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgemodel_cli import doctor_cluster, doctor_model
from edgemodel_cli.cluster_options import Format, MaybeName, on_cluster
from edgemodel_cli.diagnosis import Finding, Level, fail, warn
from edgemodel_cli.doctor_facts import Facts, ModelFacts, Unknown
from edgemodel_cli.options import print_json, stdout

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    doctor_cluster.api_server,
    doctor_cluster.clock,
    doctor_cluster.rights,
    doctor_cluster.crd,
    doctor_cluster.operator,
    doctor_cluster.webhook,
    doctor_cluster.signals,
)
"""Of the cluster: the first that fails may explain the others."""

MODEL_CHECKS: tuple[Callable[[Facts, ModelFacts], Iterator[Finding]], ...] = (
    doctor_model.observed,
    doctor_model.conditions,
    doctor_model.telemetry,
    doctor_model.nodes,
    doctor_model.needs,
    doctor_model.workload,
    doctor_model.pods,
    doctor_model.registry,
    doctor_model.rules,
)
"""Of each EdgeModel."""

COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}

Section = tuple[str, list[Finding]]


@on_cluster
def doctor(cluster: "Cluster", name: MaybeName = None, output: Format = "table") -> None:
    """Check what commonly goes wrong and say what to do; exits with 1 where something fails.

    Example: kubectl edgemodel doctor digits -n plant-a
    """
    from edgemodel_cli.doctor_reads import gather  # noqa: PLC0415 - brings the Kubernetes client

    sections = list(examine(gather(cluster, name)))
    findings = [finding for _, found in sections for finding in found]
    worst = doctor_model.worst(findings)
    if output == "json":
        entries = [{"subject": title, **finding.as_json()} for title, found in sections for finding in found]
        print_json({"worst": worst, "checks": entries})
    else:
        print_sections(stdout, sections)
    if worst is Level.FAIL:
        raise typer.Exit(1)


def examine(facts: Facts) -> Iterator[Section]:
    """Everything that the checks say: of the cluster, then of each EdgeModel."""
    yield "cluster", [finding for check in CHECKS for finding in check(facts)]
    if isinstance(facts.models, Unknown):
        yield "edgemodels", [fail("edgemodels", f"not seen: {facts.models.why}")]
        return
    for about in facts.models:
        yield doctor_model.subject(about.model), [f for check in MODEL_CHECKS for f in check(facts, about)]
    if not facts.models and facts.crd is not None:
        yield "edgemodels", [warn("edgemodels", f"none in namespace {facts.namespace}", "edgemodel status -A")]


def print_sections(console: Console, sections: list[Section]) -> None:
    """For people: a line for each check, and under it the next command."""
    for number, (title, findings) in enumerate(sections):
        if number:
            console.print()
        console.print(title)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            what = Text(finding.message)
            told = Group(what, Text(f"→ {finding.next}")) if finding.next else what
            table.add_row(Text(finding.level, style=COLOURS[finding.level]), finding.check, told)
        console.print(Padding(table, (0, 0, 0, 2)))
    counts = {level: sum(f.level is level for _, found in sections for f in found) for level in Level}
    console.print()
    console.print(", ".join(f"{count} {level}" for level, count in counts.items()))
