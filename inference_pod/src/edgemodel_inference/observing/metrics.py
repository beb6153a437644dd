"""The exposition: every series that this pod exports, with the names and labels of `edgemodel.series`."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from edgemodel import series
from edgemodel.cloud import CloudOutcome
from edgemodel.tally import PARTS, Tally

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own gap

BUCKETS = (0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudReadings:
    """What the cloud was asked, and whether it may be asked now."""

    outcomes: Mapping[CloudOutcome, int]
    breaker: str = ""
    """Its state, unless the cloud is asked as usual."""
    budget_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything that is exported besides the request counters, as of one moment."""

    serving: tuple[str, str, str] | None = None
    """Version, digest, reason."""
    revision: int = 0
    faults: Mapping[str, bool] = field(default_factory=dict)
    refused: Iterable[tuple[str, str, str]] = ()
    """Digest, version, reason."""
    pending: tuple[str, str, str] | None = None
    """Version, digest, reason."""
    heals: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """By fault, action, verdict."""
    heals_last_hour: int = 0
    judged: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    """By fault, action, verdict: when the last such action of a node's own was judged, in seconds of the epoch."""
    held: Mapping[str, str] = field(default_factory=dict)
    """By fault: why its ladder does nothing more here."""
    gauges: Mapping[str, float | None] = field(default_factory=dict)
    """The detector's last samples, by metric."""
    answered: int = 0
    tally: Tally | None = None
    """Of the version that serves."""
    samples_pushed: int | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    cloud: CloudReadings | None = None
    """None: joint inference is off."""


class Metrics:
    """Counters of requests, and readings taken at each scrape. Any thread may render."""

    def __init__(self, identity: Mapping[str, str], read: Callable[[], Readings]) -> None:
        self._identity = dict(identity)
        self._read = read
        self._requests: Counter[str] = Counter()
        self._durations = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.settle: Callable[[], None] = lambda: None
        """Called before anything is read: whoever enters answers may have some left."""

    def answered(self, seconds: float) -> None:
        """A request was answered well; called by one thread at a time."""
        self._requests["ok"] += 1
        self._durations[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def count(self, outcome: str) -> None:
        """A request ended in `outcome`, which is not ``ok``; called on the event loop."""
        self._requests[outcome] += 1

    def samples(self) -> Iterable[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of each series as of now."""
        for family in self._registry.collect():
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def render(self) -> str:
        """All series in Prometheus' text format."""
        return generate_latest(self._registry).decode()

    def describe(self) -> Iterable[Metric]:
        """Nothing: the families are made at each scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The readings as metric families; called by the registry."""
        self.settle()
        now = self._read()
        yield self._counter(series.REQUESTS_TOTAL, ["outcome"], {(o,): n for o, n in dict(self._requests).items()})
        yield self._histogram()
        yield self._gauge(series.SERVING_INFO, ["version", "digest", "reason"], _one(now.serving))
        yield self._gauge(series.WISH_REVISION, [], {(): now.revision})
        yield self._gauge(series.FAULT_ACTIVE, ["fault"], {(f,): int(active) for f, active in now.faults.items()})
        yield self._gauge(series.REFUSED_INFO, ["digest", "version", "reason"], dict.fromkeys(now.refused, 1))
        yield self._gauge(series.FETCH_PENDING, ["version", "digest", "reason"], _one(now.pending))
        yield self._counter(series.HEALS_TOTAL, ["fault", "action", "verdict"], now.heals)
        if now.heals_last_hour:
            yield self._gauge(series.HEALS_LAST_HOUR, [], {(): now.heals_last_hour})
        yield self._gauge(series.HEAL_JUDGED, ["fault", "action", "verdict"], now.judged)
        yield self._gauge(series.LADDER_HELD, ["fault", "reason"], dict.fromkeys(now.held.items(), 1))
        yield self._counter(series.WORKER_RESTARTS_TOTAL, ["reason"], {(r,): n for r, n in now.restarts.items()})
        if now.serving is not None:
            yield self._gauge(series.ANSWERED_SINCE_SWITCH, ["version"], {(now.serving[0],): now.answered})
            if now.tally is not None:
                yield from self._tallied(now.serving[0], now.tally)
        for metric, value in now.gauges.items():
            if value is not None:
                yield self._gauge(series.METRIC_GAUGES[metric], [], {(): value})
        if now.samples_pushed is not None:
            yield self._gauge(series.SAMPLES_PUSHED, [], {(): now.samples_pushed})
        if now.cloud is not None:
            yield from self._clouded(now.cloud)

    def _clouded(self, cloud: CloudReadings) -> Iterable[Metric]:
        outcomes: dict[tuple[str, ...], int] = {(outcome.value,): count for outcome, count in cloud.outcomes.items()}
        yield self._counter(series.CLOUD_REQUESTS_TOTAL, ["outcome"], outcomes)
        yield self._gauge(series.CLOUD_BREAKER, ["state"], {(cloud.breaker,): 1} if cloud.breaker else {})
        yield self._gauge(series.CLOUD_BUDGET_LEFT, [], {(): cloud.budget_left})

    def _tallied(self, version: str, tally: Tally) -> Iterable[Metric]:
        sums: dict[tuple[str, ...], float] = {
            (version, measure.value, part): getattr(moments, part)
            for measure, moments in tally.moments.items()
            for part in PARTS
        }
        yield self._gauge(series.TALLY, ["version", "of", "part"], sums)
        yield self._gauge(series.TALLY_ANSWERED, ["version"], {(version,): tally.answered})
        yield self._gauge(series.TALLY_BEGAN, ["version"], {(version,): tally.began})

    def _gauge(self, name: str, labels: list[str], values: Mapping[tuple[str, ...], float]) -> Metric:
        return self._fill(GaugeMetricFamily(name, _help(name), labels=[*self._identity, *labels]), values)

    def _counter(self, name: str, labels: list[str], values: Mapping[tuple[str, ...], int]) -> Metric:
        return self._fill(CounterMetricFamily(name, _help(name), labels=[*self._identity, *labels]), values)

    def _histogram(self) -> Metric:
        family = HistogramMetricFamily(
            series.INFERENCE_SECONDS, "Time from a request's last byte to its result.", labels=list(self._identity)
        )
        edges = map(floatToGoString, (*BUCKETS, float("inf")))
        counts = map(float, accumulate(self._durations))
        family.add_metric(list(self._identity.values()), list(zip(edges, counts, strict=True)), self._seconds)
        return family

    def _fill(self, family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[tuple[str, ...], float]) -> Metric:
        for labels, value in values.items():
            family.add_metric([*self._identity.values(), *map(str, labels)], value)
        return family


def _one(labels: tuple[str, ...] | None) -> dict[tuple[str, ...], float]:
    return {} if labels is None else {labels: 1}


def _help(name: str) -> str:
    return name.removeprefix("edgemodel_").replace("_", " ")
