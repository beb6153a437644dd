"""A collector that takes what is pushed by OTLP over HTTP."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What came."""

    port: int
    pushes: list[ExportMetricsServiceRequest] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    @property
    def metrics(self) -> str:
        """Where metrics are pushed to."""
        return f"http://127.0.0.1:{self.port}/v1/metrics"

    @property
    def traces(self) -> str:
        """Where traces are pushed to."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def take(self, path: str, body: bytes) -> None:
        """Note one push."""
        if path == "/v1/metrics":
            self.pushes.append(ExportMetricsServiceRequest.FromString(body))
        else:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans.extend(span for scope in resource.scope_spans for span in scope.spans)

    def series(self, push: int) -> set[tuple[str, float]]:
        """Names and values of a push; 0 is the first."""
        return {
            (metric.name, point.as_double if point.HasField("as_double") else float(point.as_int))
            for resource in self.pushes[push].resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.gauge.data_points
        }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of the loopback address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """No news."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
