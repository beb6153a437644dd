"""Pushes traces by OTLP over HTTP, as `otlp` does the metrics; needs ``edgemodel-inference[otlp]``.

A request is one span of kind server, under its caller's where it named one, and four beneath it that follow each other:
receive, queue (with reading what came), run, answer. Certificates, headers and timeouts are told by the exporter's own
variables, ``OTEL_EXPORTER_OTLP_TRACES_…``.
"""

import threading
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edgemodel_inference.observing.otlp import Outcomes, quieten
from edgemodel_inference.traces import Trace, Tracer

INTERVAL = 5.0
"""Seconds between two pushes; traces that cannot be pushed are lost."""


def push(
    endpoint: str, tracer: Tracer, identity: dict[str, str], stop: threading.Event, interval: float = INTERVAL
) -> None:
    """Push what `tracer` has kept to `endpoint` every `interval` seconds until `stop`; `identity` is who we are."""
    quieten()
    writer, outcomes = Writer(identity), Outcomes("traces")
    exporter = OTLPSpanExporter(endpoint=endpoint)
    last = False
    while not last:
        last = stop.wait(interval)
        if spans := writer.write(tracer.take()):
            outcomes.note(exporter.export(spans) is SpanExportResult.SUCCESS)
    exporter.shutdown()  # type: ignore[no-untyped-call]  # so in the library


class _Collector(SpanProcessor):
    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Writer:
    """Traces as OpenTelemetry's spans."""

    def __init__(self, identity: dict[str, str]) -> None:
        self._collector = _Collector()
        resource = Resource({"service.name": "edgemodel-serve", **identity})
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)  # what is here was sampled already
        provider.add_span_processor(self._collector)
        self._tracer = provider.get_tracer("edgemodel_inference")
        self._propagator = TraceContextTextMapPropagator()

    def write(self, traces: Sequence[Trace]) -> list[ReadableSpan]:
        """The spans of `traces`."""
        self._collector.ended = []
        for trace in traces:
            self._write(trace)
        return self._collector.ended

    def _write(self, trace: Trace) -> None:
        behind = time.time() - time.monotonic()

        def at(moment: float) -> int:
            return int(1e9 * (moment + behind))

        above = self._propagator.extract(trace.parent)
        root = self._tracer.start_span(trace.name, above, SpanKind.SERVER, trace.attributes, start_time=at(trace.began))
        if trace.failed:
            root.set_status(Status(StatusCode.ERROR))
        moments = (trace.began, trace.received, trace.run_began, trace.run_ended, trace.ended)
        steps = ("receive", "queue", "run", "answer") if trace.run_ended else ()
        for name, begin, end in zip(steps, moments, moments[1:], strict=False):
            self._tracer.start_span(name, set_span_in_context(root), start_time=at(begin)).end(at(end))
        root.end(at(trace.ended))
