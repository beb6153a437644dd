"""What a node pushes to those who cannot scrape it: metrics and traces, off by default; an extra of the package.

The libraries are imported on the threads that need them: they take longer than a start may.
"""

import threading
from collections.abc import Callable

from edgemodel import series
from edgemodel_inference.config.settings import Settings
from edgemodel_inference.observing.metrics import Metrics
from edgemodel_inference.traces import Tracer
from edgemodel_inference.web.app import App

Duty = Callable[[threading.Event], None]
"""Runs until the event is set."""


def duties(settings: Settings, metrics: Metrics, app: App) -> dict[str, Duty]:
    """What `settings` want pushed; has `app` make traces."""
    found: dict[str, Duty] = {}
    if (endpoint := settings.otlp) is not None:
        found["otlp"] = lambda stop: _push_metrics(endpoint, metrics, stop)
    if (traces := settings.otlp_traces) is not None:
        app.tracer = tracer = Tracer(settings.trace_ratio)
        identity = series.identity(settings.name, settings.namespace, settings.node)
        found["traces"] = lambda stop: _push_traces(traces, tracer, identity, stop)
    return found


def _push_metrics(endpoint: str, metrics: Metrics, stop: threading.Event) -> None:
    from edgemodel_inference.observing.otlp import push  # noqa: PLC0415 (an extra, and slow to import)

    push(endpoint, metrics, stop)


def _push_traces(endpoint: str, tracer: Tracer, identity: dict[str, str], stop: threading.Event) -> None:
    from edgemodel_inference.observing.spans import push  # noqa: PLC0415 (an extra, and slow to import)

    push(endpoint, tracer, identity, stop)
