"""What a user gets from ``edgemodel rules``: a rule file for Prometheus, and clear words for a bad EdgeModel."""

from collections.abc import Callable
from pathlib import Path

import yaml

from tests.unit.cli.conftest import Ended

Edgemodel = Callable[..., Ended]

BARE = "rules: [{name: slow, metric: inference_latency_ms, operator: '>', threshold: 100}]\n"


def test_a_list_of_rules_is_for_every_edgemodel(edgemodel: Edgemodel, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BARE)
    (group,) = yaml.safe_load(edgemodel("rules", tmp_path / "rules.yaml").out)["groups"]
    assert [rule["expr"] for rule in group["rules"]] == ['edgemodel_fault_active{fault="slow"} == 1']


def test_an_alert_says_in_words_when_its_rule_fires(edgemodel: Edgemodel, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BARE)
    (group,) = yaml.safe_load(edgemodel("rules", tmp_path / "rules.yaml").out)["groups"]
    said = group["rules"][0]["annotations"]["description"]
    assert "(inference_latency_ms > 100 over 5 samples, 3 times in a row)" in said


def test_a_rule_that_does_not_parse_is_named(edgemodel: Edgemodel, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BARE.replace("'>'", "above"))
    ended = edgemodel("rules", tmp_path / "rules.yaml")
    assert ended.code == 1
    assert "rules.yaml: rules[0].operator" in ended.err
