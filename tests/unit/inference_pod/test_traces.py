"""Traces: of a few requests, bounded, under the caller's own where it has one, and none at all by default."""

import gzip
import http.server
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from edgemodel_inference.model.models import Model
from edgemodel_inference.observing import spans
from edgemodel_inference.observing.traces import CURRENT, KEPT, MOST_PER_SECOND, Trace, Tracer
from tests.unit.inference_pod.asgi import call
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.live_pod import BODY, INFER, wait_until

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
STEPS = ["receive", "queue", "run", "answer"]


@pytest.fixture
def desk(tiny_model: Model) -> Desk:
    desk = Desk(tiny_model)
    desk.app.tracer = Tracer(0.0)
    return desk


def taken(desk: Desk) -> list[Trace]:
    assert desk.app.tracer is not None
    return desk.app.tracer.take()


async def test_a_request_whose_caller_traces_it_is_traced_through_every_step(desk: Desk, tiny_model: Model) -> None:
    await call(desk.app, "POST", INFER, BODY.encode(), traceparent=PARENT)
    (trace,) = taken(desk)
    moments = [trace.began, trace.received, trace.run_began, trace.run_ended, trace.ended]
    assert moments == sorted(moments)
    assert trace.began > 0
    assert trace.name == f"POST {INFER}"
    assert trace.attributes["edgemodel.digest"] == tiny_model.digest


@pytest.mark.parametrize("parent", [None, f"00-{TRACE_ID}-{SPAN_ID}-00", "00-nonsense", "\xff"])
async def test_a_request_is_not_traced_that_nobody_wants_traced(desk: Desk, parent: str | None) -> None:
    headers = {} if parent is None else {"traceparent": parent}
    await call(desk.app, "POST", INFER, BODY.encode(), **headers)
    assert taken(desk) == []


async def test_without_a_tracer_no_request_is_traced(tiny_model: Model) -> None:
    desk = Desk(tiny_model)
    assert (await call(desk.app, "POST", INFER, BODY.encode(), traceparent=PARENT)).status == 200
    assert CURRENT.get() is None


async def test_people_are_traced_too_and_probes_never(desk: Desk) -> None:
    desk.app.tracer = Tracer(1.0)
    await call(desk.app, "POST", "/predict", b'{"input": [0, 0, 0, 0]}')
    await call(desk.app, "GET", "/health")
    assert [(trace.name, trace.run_ended > 0) for trace in taken(desk)] == [("POST /predict", True)]


async def test_a_refused_request_is_a_trace_without_steps(desk: Desk) -> None:
    await call(desk.app, "POST", INFER, b"{", traceparent=PARENT)
    (trace,) = taken(desk)
    assert (trace.run_ended, trace.failed, trace.attributes["http.response.status_code"]) == (0.0, False, 400)


def test_callers_who_all_want_traces_get_a_bounded_number_of_them() -> None:
    clock = itertools.count()
    tracer = Tracer(1.0, clock=lambda: next(clock) / 1000)
    begun = [tracer.begin("x", {}) for _ in range(2 * MOST_PER_SECOND)]
    assert sum(trace is not None for trace in begun) == MOST_PER_SECOND
    for _ in range(2 * KEPT):
        tracer.end(Trace("x", {}, 0.0))
    assert len(tracer.take()) == KEPT
    assert tracer.take() == []


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what is pushed."""

    spans: "list[Span]"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.spans.extend(span for scope in resource.scope_spans for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """No news."""


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.spans = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    server.shutdown()
    server.server_close()


async def test_the_collector_gets_the_steps_under_the_request_under_its_caller(desk: Desk, receiver: str) -> None:
    await call(desk.app, "POST", INFER, BODY.encode(), traceparent=PARENT)
    stop = threading.Event()
    assert desk.app.tracer is not None
    pushing = threading.Thread(target=spans.push, args=(receiver, desk.app.tracer, {"node": "edge-1"}, stop, 0.05))
    pushing.start()
    wait_until(lambda: len(Receiver.spans) == 5, "five spans")
    stop.set()
    pushing.join(20)
    *steps, request = Receiver.spans
    assert [span.name for span in steps] == STEPS
    assert {span.trace_id.hex() for span in Receiver.spans} == {TRACE_ID}
    assert (request.parent_span_id.hex(), {span.parent_span_id for span in steps}) == (SPAN_ID, {request.span_id})
    edges = [(span.start_time_unix_nano, span.end_time_unix_nano) for span in steps]
    assert [end for _, end in edges[:-1]] == [begin for begin, _ in edges[1:]], "one step begins where the last ended"


def test_what_cannot_be_pushed_is_told_once_and_when_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = spans.Outcomes("traces")
    for works in (True, False, False, True):
        outcomes.note(works)
    told = [record.message for record in caplog.records if record.name == "edgemodel.otlp"]
    assert told == ["traces cannot be pushed", "traces are pushed again"]
