"""The Grafana dashboard asks for series and labels that there are, in words that Prometheus understands."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgemodel import series
from edgemodel_operator import metrics
from lab.home import REPOSITORY

BOARD: dict[str, Any] = json.loads((REPOSITORY / "manifests" / "grafana-dashboard.json").read_text())
IDENTITY = {"namespace", "edgemodel", "node"}
VALUES = {"$__rate_interval": "1m", "$namespace": ".*", "$edgemodel": ".*", "$node": ".*"}


def documented() -> dict[str, set[str]]:
    """Labels of each series of a pod beside its identity, as docs/observing.md tells them."""
    rows = re.findall(
        r"^\| `(edgemodel_\w+)` \|[^|]*\|([^|]*)\|",
        (REPOSITORY / "docs" / "observing.md").read_text(),
        re.MULTILINE,
    )
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def exported() -> dict[str, set[str]]:
    """Every series with its labels."""
    pods = {name: labels | IDENTITY for name, labels in documented().items()}
    pods[f"{series.INFERENCE_SECONDS}_bucket"] = pods.pop(series.INFERENCE_SECONDS)
    of_job = {"namespace", "edgemodel", "candidate"}
    jobs = {series.TRAINING_PERCENT: of_job, series.TRAINING_ACCURACY: of_job}
    return pods | jobs | dict(operators())


def operators() -> Iterator[tuple[str, set[str]]]:
    """The operator's own series, under the names that its page has."""
    metrics.WRITES.labels(action="patch")
    for family in [*metrics.WRITES.collect(), *metrics.QUEUE.collect()]:
        for sample in family.samples:
            yield sample.name, set(sample.labels)


def targets() -> Iterator[tuple[str, str, str]]:
    """Title, expression and legend of each line of each panel."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"], target["legendFormat"]


ALL = list(targets())
TITLES = [title for title, _, _ in ALL]


@pytest.mark.parametrize(("title", "expr", "legend"), ALL, ids=TITLES)
def test_a_panel_asks_for_series_and_labels_that_there_are(title: str, expr: str, legend: str) -> None:
    there_are = exported()
    asked = set(re.findall(r"\bedgemodel_\w+", expr))
    assert asked, title
    assert asked <= there_are.keys()
    labels = set(re.findall(r"(\w+)=~?\"", expr)) | set(re.findall(r"{{(\w+)}}", legend))
    grouped = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expr) for label in group.split(",")}
    known = set[str]().union(*(there_are[name] for name in asked))
    assert labels | grouped <= known


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    assert shutil.which("promtool"), "promtool is not installed: it comes with Debian's package prometheus"
    rules = []
    for number, (_, expr, _) in enumerate(ALL):
        for variable, value in VALUES.items():
            expr = expr.replace(variable, value)  # noqa: PLW2901 (what Grafana does)
        assert "$" not in expr
        rules.append({"record": f"panel:{number}", "expr": expr})
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_panels_neither_overlap_nor_leave_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
