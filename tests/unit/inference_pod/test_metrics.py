"""What is exported: few series, all of them documented, and the same ones by OTLP."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from opentelemetry.sdk.metrics.export import MetricsData

from edgemodel import series
from edgemodel.cloud import CloudOutcome
from edgemodel.tally import Measure, Moments, Tally
from edgemodel_inference import logs
from edgemodel_inference.observing import otlp
from edgemodel_inference.observing.metrics import CloudReadings, Metrics, Readings
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask, wait_until
from tests.unit.inference_pod.otlp_collector import collecting
from tests.unit.inference_pod.tiny_bundles import bundle, wish

MOST = 40
"""Series of a pod in which all is well."""
DOCS = Path(__file__).parents[3] / "docs"

BUSY = Readings(
    serving=("v1", "sha256:" + "a" * 64, "Wish"),
    faults=dict.fromkeys(("high-latency", "low-confidence", "memory-leak"), False),
    gauges=dict.fromkeys(series.METRIC_GAUGES, 1.0),
    tally=Tally(began=1.0, moments=dict.fromkeys(Measure, Moments(1, 2.0, 4.0))),
    samples_pushed=500,
    cloud=CloudReadings(outcomes={CloudOutcome.ANSWERED: 5}, budget_left=9_000),
)
"""Three rules, samples, a comparison of versions, joint inference."""
ILL = Readings(
    **{name: getattr(BUSY, name) for name in ("serving", "faults", "gauges", "tally", "samples_pushed")},
    refused=[("sha256:" + "b" * 64, "v2", "low-confidence")],
    pending=("v3", "sha256:" + "c" * 64, "Unreachable"),
    heals={("low-confidence", "SwitchModel", "Proved"): 1},
    heals_last_hour=1,
    judged={("memory-leak", "Restart", "Failed"): 1.7e9},
    held={"memory-leak": "CoolingDown"},
    restarts={"Crash": 2},
    cloud=CloudReadings(outcomes=dict.fromkeys(CloudOutcome, 1), breaker="open", budget_left=0),
)
"""The same with all that can go wrong."""


def metrics(readings: Readings) -> Metrics:
    """With every outcome of requests."""
    made = Metrics(series.identity("digits", "plant-a", "edge-1"), lambda: readings)
    made.answered(0.002)
    for outcome in ("invalid", "rejected", "error", "unauthorized"):
        made.count(outcome)
    return made


def names(readings: Readings) -> list[str]:
    return [name for name, _, _ in metrics(readings).samples()]


def test_a_pod_in_which_all_is_well_has_few_series() -> None:
    assert len(names(BUSY)) <= MOST


def test_another_version_adds_no_series() -> None:
    made = metrics(BUSY)
    before = len(list(made.samples()))
    for _ in range(100):
        made.answered(0.5)
    assert len(list(made.samples())) == before


def test_every_series_is_documented_and_nothing_else_is() -> None:
    told = set(re.findall(r"^\| `(edgemodel_\w+)`", (DOCS / "observing.md").read_text(), re.MULTILINE))
    bare = {re.sub(r"(?<=inference_seconds)_(bucket|count|sum)$", "", name) for name in names(ILL)}
    assert told == bare


def test_every_log_line_keeps_to_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads((DOCS / "log.schema.json").read_text())
    formatter = logs.JsonFormatter()
    records: list[Any] = []
    handler = logs.logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]  # all that is wanted of it
    logger = logs.logging.getLogger("edgemodel.test")
    logger.addHandler(handler)
    log = logs.Log("edgemodel.test")
    log.warning("journal", kind="Attempt", at=Path("x"), number=1)
    log.error("bug", cause=ValueError("no"), thread="agent")
    logger.removeHandler(handler)
    for record in records:
        jsonschema.validate(json.loads(formatter.format(record)), schema)
    assert len(records) == 2


def test_otlp_brings_the_series_of_a_scrape_under_the_same_names() -> None:
    stop, made = threading.Event(), metrics(ILL)
    with collecting() as collector:
        pushing = threading.Thread(target=otlp.push, args=(collector.metrics, made, stop, 0.05))
        pushing.start()
        wait_until(lambda: len(collector.pushes) > 1, "two pushes")
        stop.set()
        pushing.join(20)
    assert collector.series(0) == {(name, value) for name, _, value in made.samples()}


def test_a_pod_that_nobody_can_scrape_pushes_its_metrics_and_its_callers_traces(pod: Pod, origin: Path) -> None:
    pod.wish(wish(bundle(origin, "v1")))
    with collecting() as collector:
        pod.start(EDGEMODEL_OTLP=collector.metrics, EDGEMODEL_OTLP_TRACES=collector.traces)
        pod.await_ready()
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        assert ask(pod.port, "POST", INFER, BODY, traceparent=parent)[0] == 200
        wait_until(lambda: collector.pushes and collector.spans, "both", 60.0)
    told = {name for name, _ in collector.series(0)}
    gauges = {series.METRIC_GAUGES[metric] for metric in ("system_memory_mb", "cpu_percent", "requests_per_second")}
    assert {series.SERVING_INFO, series.REQUESTS_TOTAL, *gauges} <= told
    assert f"POST {INFER}" in {span.name for span in collector.spans}


def test_a_receiver_that_is_away_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    exporter = otlp._Exporter("http://127.0.0.1:9/v1/metrics")
    for _ in range(3):
        exporter.export(MetricsData([]))
    assert [record.message for record in caplog.records if record.name == "edgemodel.otlp"] == [
        "metrics cannot be pushed"
    ]


def test_otlp_knows_every_name() -> None:
    assert set(names(ILL)) == set(otlp.NAMES)
