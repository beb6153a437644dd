"""Pushes the metrics by OTLP over HTTP, for nodes that nobody can scrape; needs ``edgemodel-inference[otlp]``.

Every series goes out as a gauge under the name that it has at ``/metrics``: a receiver would rename counters and
histograms, and rules, dashboards and the operator ask for one name, whichever way the numbers came. Certificates,
headers and timeouts of the exporter are told by its own variables, ``OTEL_EXPORTER_OTLP_METRICS_…``.
"""

import functools
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from edgemodel import series
from edgemodel_inference import logs
from edgemodel_inference.observing.metrics import Metrics

INTERVAL = 10.0
"""Seconds between two pushes; one that fails is logged, and the next one brings all numbers again."""

NAMES = (
    series.SERVING_INFO,
    series.WISH_REVISION,
    series.FAULT_ACTIVE,
    series.REFUSED_INFO,
    series.FETCH_PENDING,
    series.HEALS_TOTAL,
    series.HEALS_LAST_HOUR,
    series.HEAL_JUDGED,
    series.LADDER_HELD,
    series.REQUESTS_TOTAL,
    *(f"{series.INFERENCE_SECONDS}_{part}" for part in ("bucket", "count", "sum")),
    series.ANSWERED_SINCE_SWITCH,
    series.TALLY,
    series.TALLY_ANSWERED,
    series.TALLY_BEGAN,
    *series.METRIC_GAUGES.values(),
    series.SAMPLES_PUSHED,
    series.CLOUD_REQUESTS_TOTAL,
    series.CLOUD_BREAKER,
    series.CLOUD_BUDGET_LEFT,
    series.WORKER_RESTARTS_TOTAL,
)
"""Names of all samples at ``/metrics``."""

log = logs.Log("edgemodel.otlp")


def push(endpoint: str, metrics: Metrics, stop: threading.Event, interval: float = INTERVAL) -> None:
    """Push to `endpoint` every `interval` seconds until `stop`."""
    quieten()
    reader = PeriodicExportingMetricReader(_Exporter(endpoint), export_interval_millis=1000 * interval)
    provider = MeterProvider([reader], Resource({"service.name": "edgemodel-serve"}), shutdown_on_exit=False)
    meter = provider.get_meter("edgemodel_inference")
    latest = _Latest(metrics)
    for name in NAMES:
        meter.create_observable_gauge(name, [functools.partial(latest.observe, name)])
    log.info("pushing metrics", endpoint=endpoint, interval=interval)
    stop.wait()
    provider.shutdown()


def quieten() -> None:
    """The library would log each attempt of days without a link; `Outcomes` says it once."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


class Outcomes:
    """Says when pushing begins to fail, and when it works again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._worked = True

    def note(self, works: bool) -> None:
        """A push worked, or not."""
        if works is not self._worked:
            self._worked = works
            log.warning(f"{self._what} are pushed again" if works else f"{self._what} cannot be pushed")


class _Exporter(OTLPMetricExporter):
    """Takes note of how each push ended."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint=endpoint)
        self._outcomes = Outcomes("metrics")

    def export(self, metrics_data: MetricsData, *arguments: Any, **options: Any) -> MetricExportResult:
        """Push once, with the library's own attempts."""
        result = super().export(metrics_data, *arguments, **options)
        self._outcomes.note(result is MetricExportResult.SUCCESS)
        return result


class _Latest:
    """The series as of the push under way: all instruments of one push share one look at them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._taken: dict[str, list[Observation]] = {}

    def observe(self, name: str, _: CallbackOptions) -> Iterable[Observation]:
        """The samples called `name`; the first instrument looks, the others take what it saw."""
        if name == NAMES[0]:
            self._taken = defaultdict(list)
            for sample, labels, value in self._metrics.samples():
                self._taken[sample].append(Observation(value, dict(labels)))
        return self._taken.get(name, ())
