"""The one question to Prometheus (pure): what every pod says now, without what it said before.

Prometheus gives the last value of each series within five minutes. A scrape that lacks a series ends it at once; what
is pushed by OTLP brings no such mark: the version before, its faults and its refusals would be told beside those
of now. What a pod did not tell together with the newest it told is therefore left out. Of Prometheus itself only
`timestamp` is needed, which all versions have; `lookback_delta` came with 2.43, and knows nothing of who said what.
"""

from edgemodel import series
from edgemodel_operator.signals.reports import ALERTS, ALERTS_SINCE, SOURCE, TRAINING, WANTED

ENDING = (
    series.SERVING_INFO,
    series.FAULT_ACTIVE,
    series.REFUSED_INFO,
    series.FETCH_PENDING,
    series.LADDER_HELD,
    series.HEALS_LAST_HOUR,
    series.CLOUD_BREAKER,
)
"""Series that end while their pod goes on. What is counted of a version ends too, and names the version."""

TOGETHER = 2
"""Seconds: what a pod tells at once has one time stamp, by which pushes and scrapes are farther apart."""

RECENT = 120
"""Seconds after which what a pod said last says nothing of now: two scrapes at Prometheus' default interval."""

_POD = f"namespace, edgemodel, node, {', '.join(SOURCE)}"
_TOLD = f"max by ({_POD}) (timestamp({series.WISH_REVISION}))"
"""When each pod told its newest: there is no pod that does not tell its wish's revision."""


def _still_told(name: str) -> str:
    older = f"timestamp({name}) < on ({_POD}) group_left () ({_TOLD} - {TOGETHER})"
    return f"({name} unless ({older}))"


def _joined(*parts: str) -> str:
    return " or on (__name__) ".join(parts)


_LASTING = f'{{__name__=~"{"|".join(name for name in WANTED if name not in ENDING)}"}}'
_REPORTS = f"({_joined(_LASTING, *map(_still_told, ENDING))}) and on ({_POD}) ({_TOLD} > time() - {RECENT})"

QUESTION = _joined(
    f"({_REPORTS})",
    f'{{__name__=~"{"|".join(TRAINING)}"}}',
    f'{ALERTS}{{alertstate="firing",edgemodel!=""}}',
    f'{ALERTS_SINCE}{{edgemodel!=""}}',
)
"""What to ask: reports, trainings, alerts. No two parts have a name in common, so `on (__name__)` joins them whole."""
