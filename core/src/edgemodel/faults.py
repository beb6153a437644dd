"""Fault rules: one evaluation for the node and for the simulator.

A rule looks at the last `window` samples of one metric. With fewer there is no verdict; an absent sample (no
request in the interval, NaN, infinite) is no sample. `trigger_count` hits in a row fire the rule once.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, pvariance
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgemodel.document import Document

RING_SIZE = 1000
"""Samples kept per metric, and the longest window a rule may ask for."""

TREND_CONFIDENCE = 0.95
"""Two-sided confidence with which a slope must differ from zero before a trend counts."""

Metric = Literal[
    "inference_latency_ms",
    "model_confidence_mean",
    "requests_per_second",
    "error_ratio",
    "queue_length",
    "system_memory_mb",
    "cpu_percent",
    "cloud_ratio",
]

Operator = Literal[">", ">=", "<", "<=", "trend_up", "trend_down", "change_rate", "variance"]
Statistic = Literal["latest", "mean", "max", "min", "p95"]


class Severity(StrEnum):
    """How bad a firing is; Critical makes an EdgeModel Degraded, Warning is told."""

    WARNING = "Warning"
    CRITICAL = "Critical"


class Rule(Document):
    """When a metric counts as a fault."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=52)] = Field(
        description="Name of the fault, as strategies, alerts and the status call it."
    )
    metric: Metric = Field(description="The metric that is watched, one sample per interval.")
    operator: Operator = Field(description="How the window is compared with the threshold.")
    threshold: float = Field(description="The bound; its unit is the metric's.")
    statistic: Statistic = Field(default="latest", description="What of the window is compared by > >= < <=.")
    window: int = Field(default=5, ge=1, le=RING_SIZE, description="How many samples the rule looks at.")
    trigger_count: int = Field(default=3, ge=1, le=100, description="Hits in a row until the rule fires.")
    severity: Severity = Field(default=Severity.CRITICAL, description="Critical degrades, Warning is told.")

    @property
    def about_cloud(self) -> bool:
        """Whether it says nothing of a node or a version, but how often the cloud answers in their place."""
        return self.metric == "cloud_ratio"

    @property
    def samples_needed(self) -> int:
        """Samples after which it has fired if there is something to fire about, counted anew: a window, and hits."""
        return self.window + self.trigger_count

    @model_validator(mode="after")
    def _window_fits_operator(self) -> Self:
        if self.operator in ("trend_up", "trend_down") and self.window < 3:  # noqa: PLR2004 (a line through two points fits always)
            raise ValueError(f"rule {self.name}: a trend needs window >= 3, for example 30")
        if self.operator == "change_rate" and self.window < 2:  # noqa: PLR2004 (two halves)
            raise ValueError(f"rule {self.name}: change_rate needs window >= 2, for example 10")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing of a rule: the claim that a fault is there, with its evidence."""

    rule: str
    metric: str
    value: float
    threshold: float
    window: tuple[float, ...]
    severity: Severity
    time: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one window says: whether it is a hit, and the value that was compared."""

    hit: bool
    value: float


def judge(rule: Rule, window: Sequence[float]) -> Judgement | None:
    """Compare the last `rule.window` samples of `window`; None where they give no verdict.

    Samples too large to compute with give none either: they must stop neither the detector nor the others.
    """
    if len(window) < rule.window:
        return None
    try:
        judgement = _judge(rule, list(window)[-rule.window :])
    except OverflowError:
        return None
    return judgement if judgement is not None and math.isfinite(judgement.value) else None


def _judge(rule: Rule, samples: Sequence[float]) -> Judgement | None:
    match rule.operator:
        case ">" | ">=" | "<" | "<=":
            value = _statistic(rule.statistic, samples)
            return Judgement(_compare(rule.operator, value, rule.threshold), value)
        case "trend_up" | "trend_down":
            sign = 1.0 if rule.operator == "trend_up" else -1.0
            growth, sure = trend([sign * s for s in samples])
            return Judgement(growth > rule.threshold and sure, sign * growth)
        case "change_rate":
            rate = _change_rate(samples)
            return None if rate is None else Judgement(rate > rule.threshold, rate)
        case "variance":
            value = pvariance(samples)
            return Judgement(value > rule.threshold, value)


def trend(samples: Sequence[float]) -> tuple[float, bool]:
    """Growth of the least-squares line over `samples`, and whether its slope is surely above zero.

    Growth is the last fitted value minus the first. Sure means that the slope's two-sided 95 % confidence
    interval (Student t, n − 2 degrees of freedom) lies above zero. `samples` needs three values or more.
    """
    n = len(samples)
    middle, mean = (n - 1) / 2, fmean(samples)
    spread = n * (n * n - 1) / 12
    slope = sum((i - middle) * (s - mean) for i, s in enumerate(samples)) / spread
    residual = sum((s - mean - slope * (i - middle)) ** 2 for i, s in enumerate(samples))
    if slope <= 0:
        return slope * (n - 1), False
    error = math.sqrt(residual / (n - 2) / spread)
    if error <= 1e-12 * slope:  # a perfect line but for rounding: nothing is more certain
        return slope * (n - 1), True
    return slope * (n - 1), student_t_within(slope / error, n - 2) > TREND_CONFIDENCE


def student_t_within(t: float, degrees: int) -> float:
    """Probability that a Student t variable with `degrees` degrees of freedom lies within ±`t`.

    The exact finite series of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2 == 1
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for k in range(3 if odd else 2, degrees - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if degrees > 1 else 0.0))


def _statistic(name: Statistic, samples: Sequence[float]) -> float:
    match name:
        case "latest":
            return samples[-1]
        case "mean":
            return fmean(samples)
        case "max":
            return max(samples)
        case "min":
            return min(samples)
        case "p95":
            ordered = sorted(samples)
            return ordered[math.ceil(0.95 * len(ordered)) - 1]


def _compare(operator: str, value: float, threshold: float) -> bool:
    match operator:
        case ">":
            return value > threshold
        case ">=":
            return value >= threshold
        case "<":
            return value < threshold
        case _:
            return value <= threshold


def _change_rate(samples: Sequence[float]) -> float | None:
    half = len(samples) // 2
    older, newer = fmean(samples[:half]), fmean(samples[-half:])
    return None if older == 0 else abs(newer - older) / abs(older)


class Detector:
    """Rings of samples and counters of hits for a list of rules; feed it one sample per metric and interval."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rings: dict[str, deque[float]] = {}
        self._hits: dict[str, int] = {}
        self._rules: tuple[Rule, ...] = ()
        self.replace_rules(rules)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force."""
        return self._rules

    def replace_rules(self, rules: Iterable[Rule]) -> None:
        """Take other rules; the counter of a rule that did not change stays as it is."""
        known = {rule.name: rule for rule in self._rules}
        self._rules = tuple(rules)
        self._hits = {r.name: self._hits.get(r.name, 0) if known.get(r.name) == r else 0 for r in self._rules}

    def forget(self) -> None:
        """Drop all samples and counters: what follows is judged by itself (after a model switch)."""
        self._rings.clear()
        self._hits = dict.fromkeys(self._hits, 0)

    def feed(self, samples: Mapping[str, float | None], time: float) -> list[Firing]:
        """Add one sample per metric (None, NaN, infinite: absent) and return what fires now, in rule order."""
        present = {m: v for m, v in samples.items() if v is not None and math.isfinite(v)}
        for metric, value in present.items():
            self._rings.setdefault(metric, deque(maxlen=RING_SIZE)).append(value)
        firings = (self._advance(rule, time) for rule in self._rules if rule.metric in present)
        return [firing for firing in firings if firing is not None]

    def judgement(self, rule: Rule) -> Judgement | None:
        """What `rule` says of the present window, without counting."""
        return judge(rule, list(self._rings.get(rule.metric, ()))[-rule.window :])

    def _advance(self, rule: Rule, time: float) -> Firing | None:
        judgement = self.judgement(rule)
        if judgement is None:
            return None
        hits = self._hits[rule.name] + 1 if judgement.hit else 0
        self._hits[rule.name] = hits % rule.trigger_count if hits else 0
        if hits < rule.trigger_count:
            return None
        window = tuple(list(self._rings[rule.metric])[-rule.window :])
        return Firing(
            rule=rule.name,
            metric=rule.metric,
            value=judgement.value,
            threshold=rule.threshold,
            window=window,
            severity=rule.severity,
            time=time,
        )
