"""What the operator asks, asked of the real PromQL: what pods say now, and nothing that they said before."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgemodel import series
from edgemodel_operator.signals.query import QUESTION, RECENT

PUSHED = {"edgemodel": "digits", "namespace": "plant-a", "node": "n1", "job": "edgemodel-serve"}
NOW = 300
"""Seconds from the first sample to the question; one sample each 10 s."""
Told = dict[str, str]
"""By series: its values, in promtool's words (1x5: six times 1; _: none)."""


def line(name: str, **labels: str) -> str:
    pairs = ",".join(f'{key}="{value}"' for key, value in (PUSHED | labels).items())
    return f"{name}{{{pairs}}}"


REVISION = line(series.WISH_REVISION)
WAS = {"version": "v1", "digest": "d1", "reason": "Wish"}
IS = {"version": "v2", "digest": "d2", "reason": "Wish"}


@pytest.fixture
def ask(tmp_path: Path) -> Any:
    """Gives the series that the answer has; promtool fails, and says what it got instead."""

    def ask(told: Told, wanted: list[str]) -> None:
        assert shutil.which("promtool"), "promtool is not installed: it comes with Debian's package prometheus"
        expected = [{"labels": name, "value": float(told[name].split()[-1].split("x")[0])} for name in wanted]
        test = {
            "interval": "10s",
            "input_series": [{"series": name, "values": value} for name, value in told.items()],
            "promql_expr_test": [{"expr": QUESTION, "eval_time": f"{NOW}s", "exp_samples": expected}],
        }
        (tmp_path / "test.yaml").write_text(json.dumps({"evaluation_interval": "10s", "tests": [test]}))
        command = ["promtool", "test", "rules", str(tmp_path / "test.yaml")]
        tested = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr

    return ask


def test_what_was_pushed_before_and_is_not_any_more_is_left_out(ask: Any) -> None:
    ended = [
        line(series.SERVING_INFO, **WAS),
        line(series.FAULT_ACTIVE, fault="slow"),
        line(series.REFUSED_INFO, **IS),
        line(series.FETCH_PENDING, **IS),
        line(series.LADDER_HELD, fault="slow", reason="TooManyHeals"),
        line(series.HEALS_LAST_HOUR),
        line(series.CLOUD_BREAKER, state="open"),
    ]
    goes_on = {
        REVISION: "7x30",
        line(series.SERVING_INFO, **IS): "_x27 1x9",
        line(series.FAULT_ACTIVE, fault="leak"): "0x30",
    }
    ask(dict.fromkeys(ended, "1x28") | goes_on, list(goes_on))


def test_everything_that_a_pod_says_at_once_is_in_the_answer(ask: Any) -> None:
    labels = {"version": "v1", "digest": "d1", "reason": "Wish"}  # the same of all three: only their names differ
    told = [REVISION, line(series.SAMPLES_PUSHED), line(series.HEALS_LAST_HOUR)]
    told += [line(name, **labels) for name in (series.SERVING_INFO, series.REFUSED_INFO, series.FETCH_PENDING)]
    told += [line(series.TALLY_BEGAN, version="v1"), line(series.TALLY, version="v1", of="latency", part="sum")]
    ask(dict.fromkeys(told, "3x30"), told)


def test_each_pod_is_measured_by_its_own_newest(ask: Any) -> None:
    of_another = {
        line(series.WISH_REVISION, node="n2"): "7x25",
        line(series.FAULT_ACTIVE, node="n2", fault="slow"): "1x25",
    }
    told = {REVISION: "7x30", line(series.FAULT_ACTIVE, fault="slow"): "0x30"} | of_another
    ask(told, list(told))


def test_a_pod_that_has_said_nothing_for_long_is_absent(ask: Any) -> None:
    silent = NOW // 10 - RECENT // 10
    ask({REVISION: f"7x{silent}", line(series.SERVING_INFO, **WAS): f"1x{silent}"}, [])


def test_trainings_and_firing_alerts_are_in_the_answer(ask: Any) -> None:
    alert = {"alertname": "Slow", "fault": "slow"}
    told = [
        line(series.TRAINING_EPOCH, candidate="distilled-1"),
        line("ALERTS", **alert, alertstate="firing"),
        line("ALERTS_FOR_STATE", **alert),
    ]
    pending = {line("ALERTS", **alert, node="n2", alertstate="pending"): "1x30"}
    ask(dict.fromkeys(told, "4x30") | pending, told)
