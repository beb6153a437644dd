"""Alert rules speak of series that pods export, carry the labels that the webhook asks for, and please Prometheus."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge

from edgemodel import series
from edgemodel.faults import Rule
from edgemodel_operator import metrics
from edgemodel_operator.api import resource
from edgemodel_operator.render.alerting import render_prometheus_rule
from lab.home import REPOSITORY

SAMPLE = REPOSITORY / "manifests" / "samples" / "digits.yaml"
IDENTITY = 'edgemodel="digits",namespace="default",node="edge-1"'


def edgemodel_rules(*arguments: str) -> str:
    command = [sys.executable, "-m", "edgemodel_cli", "rules", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.fixture(scope="module")
def for_all() -> str:
    return edgemodel_rules()


@pytest.fixture(scope="module")
def for_sample() -> str:
    return edgemodel_rules(str(SAMPLE))


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    documents = yaml.safe_load_all(SAMPLE.read_text())
    found: dict[str, Any] = next(d for d in documents if d["kind"] == "EdgeModel")
    return found


def alerts(text: str) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def exported() -> set[str]:
    constants = {value for name, value in vars(series).items() if name.isupper() and isinstance(value, str)}
    operators = (each for each in vars(metrics).values() if isinstance(each, Counter | Gauge))
    named = {sample.name for each in operators for family in each.collect() for sample in family.samples}
    return constants | set(series.METRIC_GAUGES.values()) | named


def test_the_file_in_manifests_is_what_the_command_prints(for_all: str) -> None:
    assert (REPOSITORY / "manifests" / "prometheus-rules.yaml").read_text() == for_all


@pytest.mark.parametrize("which", ["for_all", "for_sample"])
def test_every_series_in_the_rules_is_one_that_there_is(which: str, request: pytest.FixtureRequest) -> None:
    named = {
        name for rule in alerts(request.getfixturevalue(which)) for name in re.findall(r"\bedgemodel_\w+", rule["expr"])
    }
    assert named
    assert named <= exported()


def test_no_rule_drops_a_label_that_says_which_edgemodel_it_is(for_sample: str) -> None:
    aggregating = [
        r["alert"] for r in alerts(for_sample) if re.search(r"\b(by|without|sum|max|min|count)\b", r["expr"])
    ]
    assert aggregating == []


def test_every_alert_tells_a_person_what_and_where(for_sample: str) -> None:
    for rule in alerts(for_sample):
        said = rule["annotations"]["summary"] + rule["annotations"]["description"]
        assert all(f"$labels.{label}" in said for label in series.ALERT_LABELS), rule["alert"]


def test_an_edgemodel_has_one_alert_per_rule_with_its_severity(for_sample: str, sample: dict[str, Any]) -> None:
    wanted = [Rule.model_validate(rule) for rule in sample["spec"]["health"]["rules"]]
    found = [(rule["expr"], rule["labels"]["severity"]) for rule in alerts(for_sample)]
    where = 'namespace="default",edgemodel="digits"'
    assert found == [
        (f'edgemodel_fault_active{{{where},fault="{rule.name}"}} == 1', rule.severity.value.lower()) for rule in wanted
    ]


def test_the_operators_prometheus_rule_says_the_same(for_sample: str, sample: dict[str, Any]) -> None:
    metadata = {"namespace": "default", "uid": "u", "generation": 1, "resourceVersion": "1", **sample["metadata"]}
    model = resource.parse({**sample, "metadata": metadata})
    body = render_prometheus_rule(model, {"release": "monitoring"})
    assert body["spec"] == yaml.safe_load(for_sample)
    assert body["metadata"]["labels"]["release"] == "monitoring"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "u"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which("promtool"), "promtool is not installed: it comes with Debian's package prometheus"
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("which", ["for_all", "for_sample"])
def test_prometheus_takes_the_rules(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(request.getfixturevalue(which))
    checked = promtool("check", "rules", str(rules))
    assert checked.returncode == 0, checked.stderr


def test_an_alert_fires_for_the_node_whose_detector_says_so(for_sample: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(for_sample)
    rule = alerts(for_sample)[0]
    fault = rule["expr"].split('fault="')[1].split('"')[0]
    active = f'edgemodel_fault_active{{{IDENTITY},fault="{fault}"}}'
    other = active.replace('edgemodel="digits"', 'edgemodel="letters"')
    labels = {"edgemodel": "digits", "namespace": "default", "node": "edge-1", "fault": fault, **rule["labels"]}
    template = {f"{{{{ $labels.{name} }}}}": value for name, value in labels.items()}
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "10s",
        "tests": [
            {
                "interval": "10s",
                "input_series": [{"series": active, "values": "0 0 1 1"}, {"series": other, "values": "1 1 1 1"}],
                "alert_rule_test": [
                    {"eval_time": "10s", "alertname": rule["alert"], "exp_alerts": []},
                    {
                        "eval_time": "30s",
                        "alertname": rule["alert"],
                        "exp_alerts": [
                            {"exp_labels": labels, "exp_annotations": _filled(rule["annotations"], template)}
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(json.dumps(test))
    tested = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(
    ("alert", "series", "values"),
    [
        ("EdgeModelOperatorAbsent", "edgemodel_operator_edgemodels", "1 _x20"),
        ("EdgeModelOperatorBug", 'edgemodel_operator_ticks_total{outcome="bug"}', "0x10 1x10"),
        ("EdgeModelOperatorBlind", 'edgemodel_operator_signal_reads_total{outcome="ok"}', "9x20"),
    ],
)
def test_an_operator_that_does_not_do_its_work_is_told(
    alert: str, series: str, values: str, for_all: str, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(for_all)
    healthy = {
        "edgemodel_operator_edgemodels": "1x20",
        'edgemodel_operator_ticks_total{outcome="bug"}': "0x20",
        'edgemodel_operator_signal_reads_total{outcome="ok"}': "0+6x20",
    }
    (rule,) = (rule for rule in alerts(for_all) if rule["alert"] == alert)
    fires = [{"exp_labels": rule["labels"] | _labels(series, rule["expr"]), "exp_annotations": rule["annotations"]}]
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": told} for name, told in given.items()],
            "alert_rule_test": [{"eval_time": "20m", "alertname": alert, "exp_alerts": expected}],
        }
        for given, expected in ((healthy, []), (healthy | {series: values}, fires))
    ]
    (tmp_path / "test.yaml").write_text(json.dumps({"rule_files": ["rules.yaml"], "tests": tests}))
    tested = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def _labels(series: str, expr: str) -> dict[str, str]:
    return {} if expr.startswith("absent") else dict(re.findall(r'(\w+)="(\w+)"', series))


def _filled(annotations: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    for placeholder, value in values.items():
        annotations = {name: text.replace(placeholder, value) for name, text in annotations.items()}
    return annotations
