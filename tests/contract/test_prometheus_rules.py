"""Alert rules speak of series that pods export, and alerts carry the labels that the webhook asks for."""

import re
from typing import Any

import yaml

from edgemodel import series
from lab.home import REPOSITORY

TEXT = (REPOSITORY / "manifests" / "prometheus-rules.yaml").read_text()


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(TEXT)["groups"] for rule in group["rules"]]


def exported() -> set[str]:
    constants = {value for name, value in vars(series).items() if name.isupper() and isinstance(value, str)}
    return constants | set(series.METRIC_GAUGES.values())


def test_every_series_in_the_rules_is_one_that_pods_export() -> None:
    named = {name for rule in alerts() for name in re.findall(r"\bedgemodel_\w+", rule["expr"])}
    assert named
    assert named <= exported()


def test_no_rule_drops_a_label_that_says_which_edgemodel_it_is() -> None:
    aggregating = [rule["alert"] for rule in alerts() if re.search(r"\b(by|without|sum|max|min|count)\b", rule["expr"])]
    assert aggregating == []


def test_every_alert_tells_a_person_what_and_where() -> None:
    for rule in alerts():
        said = rule["annotations"]["summary"] + rule["annotations"]["description"]
        assert all(f"$labels.{label}" in said for label in series.ALERT_LABELS), rule["alert"]
