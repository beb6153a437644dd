"""Traces: of a few requests, bounded, under the caller's own where it has one, and none at all by default."""

import itertools
import threading

import pytest

from edgemodel_inference.model.models import Model
from edgemodel_inference.observing import spans
from edgemodel_inference.traces import CURRENT, KEPT, MOST_PER_SECOND, Trace, Tracer
from tests.unit.inference_pod.asgi import call
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.live_pod import BODY, INFER, wait_until
from tests.unit.inference_pod.otlp_collector import collecting

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


async def test_the_collector_gets_the_steps_under_the_request_under_its_caller(desk: Desk) -> None:
    await call(desk.app, "POST", INFER, BODY.encode(), traceparent=PARENT)
    stop = threading.Event()
    with collecting() as collector:
        arguments = (collector.traces, desk.app.tracer, {"node": "edge-1"}, stop, 0.05)
        pushing = threading.Thread(target=spans.push, args=arguments)
        pushing.start()
        wait_until(lambda: len(collector.spans) == 5, "five spans")
        stop.set()
        pushing.join(20)
    *steps, request = collector.spans
    assert [span.name for span in steps] == STEPS
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    assert (request.parent_span_id.hex(), {span.parent_span_id for span in steps}) == (SPAN_ID, {request.span_id})
    edges = [(span.start_time_unix_nano, span.end_time_unix_nano) for span in steps]
    assert [end for _, end in edges[:-1]] == [begin for begin, _ in edges[1:]], "one step begins where the last ended"


def test_what_cannot_be_pushed_is_told_once_and_when_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = spans.Outcomes("traces")
    for works in (True, False, False, True):
        outcomes.note(works)
    told = [record.message for record in caplog.records if record.name == "edgemodel.otlp"]
    assert told == ["traces cannot be pushed", "traces are pushed again"]
