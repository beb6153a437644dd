"""From metrics to what is known: over real HTTP, fresh or absent, never half."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from edgemodel import series
from edgemodel.ladder import ActionType, Verdict
from edgemodel.tally import PARTS, Measure, Moments
from edgemodel_operator.errors import SignalError
from edgemodel_operator.model.naming import Key
from edgemodel_operator.model.observation import Target, Training
from edgemodel_operator.signals.access import Access
from edgemodel_operator.signals.board import FIRST_LOOK, Board
from edgemodel_operator.signals.reports import Sample, assemble, firing, trainings
from edgemodel_operator.signals.sources import MAX_SCRAPE_BYTES, SCRAPES_AT_ONCE, Prometheus, Scrape

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("plant-a", "digits")
IDENTITY = {"edgemodel": "digits", "namespace": "plant-a", "node": "n1"}

FIRING = {**IDENTITY, "alertname": "Slow", "fault": "slow", "alertstate": "firing"}

EXPOSITION = """\
# HELP edgemodel_serving_info What answers now.
# TYPE edgemodel_serving_info gauge
edgemodel_serving_info{edgemodel="digits",namespace="plant-a",node="n1",version="v1",digest="d1",reason="Wish"} 1
edgemodel_fault_active{edgemodel="digits",namespace="plant-a",node="n1",fault="low-confidence"} 1
edgemodel_fault_active{edgemodel="digits",namespace="plant-a",node="n1",fault="high-latency"} 0
edgemodel_refused_info{edgemodel="digits",namespace="plant-a",node="n1",digest="d2",version="v2",reason="NotOnnx"} 1
edgemodel_answered_since_switch{edgemodel="digits",namespace="plant-a",node="n1",version="v1"} 41
edgemodel_wish_revision{edgemodel="digits",namespace="plant-a",node="n1"} 7
edgemodel_samples_pushed{edgemodel="digits",namespace="plant-a",node="n1"} 12
python_info{version="3.13"} 1
"""


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, IDENTITY | labels, value)


# What nodes did by themselves


def judged(value: float, **labels: str) -> Sample:
    return sample(series.HEAL_JUDGED, value, **{"fault": "leak", "action": "Restart", "verdict": "Failed", **labels})


def test_a_node_tells_what_it_did_about_a_fault_and_how_that_ended() -> None:
    report = assemble([judged(NOW.timestamp() - 60)], NOW)[KEY]["n1"]
    assert report.judged == {("leak", ActionType.RESTART, Verdict.FAILED): NOW - timedelta(seconds=60)}


@pytest.mark.parametrize(
    "told",
    [
        judged(NOW.timestamp() + 1),
        judged(-1.0),
        judged(1.0, action="SwitchModel"),
        judged(1.0, verdict="Maybe"),
        judged(1.0, fault=""),
    ],
    ids=["not yet", "no moment", "seen elsewhere", "no verdict", "no fault"],
)
def test_what_a_node_cannot_have_done_is_not_heard(told: Sample) -> None:
    assert assemble([told], NOW)[KEY]["n1"].judged == {}


# Trainings


def test_a_job_tells_how_far_it_is() -> None:
    told = [
        sample(series.TRAINING_EPOCH, 3, candidate="distilled-2"),
        sample(series.TRAINING_PERCENT, 60, candidate="distilled-2"),
    ]
    assert trainings(told) == {KEY: Training(candidate="distilled-2", epoch=3, percent=60)}
    assert assemble(told, NOW) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e9])
def test_an_epoch_that_cannot_be_is_none(value: float) -> None:
    assert trainings([sample(series.TRAINING_EPOCH, value, candidate="distilled-2")]) == {}


def test_a_training_that_goes_on_wakes_its_model() -> None:
    board = Board(10.0)
    assert board.take([sample(series.TRAINING_EPOCH, 1, candidate="distilled-2")], NOW) == {KEY}
    assert board.take([sample(series.TRAINING_EPOCH, 1, candidate="distilled-2")], NOW) == set()
    assert board.training(KEY) == Training(candidate="distilled-2", epoch=1, percent=0)


# Reports


def test_a_report_has_everything_that_a_pod_says() -> None:
    samples = [
        sample(series.SERVING_INFO, 1, version="v1", digest="d1", reason="Wish"),
        sample(series.FAULT_ACTIVE, 1, fault="slow"),
        sample(series.REFUSED_INFO, 1, digest="d2", reason="NotOnnx"),
        sample(series.ANSWERED_SINCE_SWITCH, 41, version="v1"),
        sample(series.WISH_REVISION, 7),
        sample(series.SAMPLES_PUSHED, 12),
    ]
    report = assemble(samples, NOW)[KEY]["n1"]
    assert (report.version, report.digest, report.reason, report.at) == ("v1", "d1", "Wish", NOW)
    assert (report.faults, report.refused) == ({"slow": True}, {"d2": "NotOnnx"})
    assert (report.wish_revision, report.answered, report.samples) == (7, 41, 12)


def test_a_report_has_the_tally_that_a_pod_exports() -> None:
    samples = [sample(series.TALLY_BEGAN, 1700000000.25), sample(series.TALLY_ANSWERED, 40)]
    samples += [
        sample(series.TALLY, float(index), of=measure.value, part=part)
        for index, (measure, part) in enumerate((measure, part) for measure in Measure for part in PARTS)
    ]
    tally = assemble(samples, NOW)[KEY]["n1"].tally
    assert tally is not None
    assert (tally.began, tally.answered) == (1700000000.25, 40)
    assert tally.moments[Measure.CONFIDENCE] == Moments(3, 4.0, 5.0)


def test_half_a_tally_is_none() -> None:
    samples = [sample(series.TALLY_BEGAN, 1), sample(series.TALLY, 1, of="latency", part="count")]
    assert assemble(samples, NOW)[KEY]["n1"].tally is None


def test_a_rule_without_a_verdict_is_absent_which_is_not_healthy() -> None:
    report = assemble([sample(series.WISH_REVISION, 1)], NOW)[KEY]["n1"]
    assert report.faults == {}
    assert report.digest is None


def serving(version: str, began: float, answered: float, **labels: str) -> list[Sample]:
    """What a pod exports of the version that it serves."""
    of = {"version": version, **labels}
    sums = ((measure.value, part) for measure in Measure for part in PARTS)
    return [
        sample(series.SERVING_INFO, 1, digest=f"digest of {version}", reason="Wish", **of),
        sample(series.ANSWERED_SINCE_SWITCH, answered, **of),
        sample(series.TALLY_BEGAN, began, **of),
        sample(series.TALLY_ANSWERED, answered, **of),
        *(sample(series.TALLY, answered, of=measure, part=part, **of) for measure, part in sums),
    ]


@pytest.mark.parametrize("turn", [1, -1], ids=["the old one first", "the new one first"])
def test_what_is_still_told_of_the_version_before_counts_for_nothing(turn: int) -> None:
    told = [*serving("v2", 100.0, 5000), *serving("v1", 200.0, 3)]
    report = assemble(told[::turn], NOW)[KEY]["n1"]
    assert (report.version, report.digest, report.answered) == ("v1", "digest of v1", 3)
    assert report.tally is not None
    assert (report.tally.began, report.tally.answered) == (200.0, 3)


@pytest.mark.parametrize("turn", [1, -1], ids=["the old one first", "the new one first"])
def test_of_two_pods_of_a_node_the_newer_one_speaks(turn: int) -> None:
    old = [*serving("v1", 100.0, 20, pod="old"), sample(series.WISH_REVISION, 7, pod="old")]
    old.append(sample(series.FAULT_ACTIVE, 1, fault="slow", pod="old"))
    new = [*serving("v1", 200.0, 10, pod="new"), sample(series.WISH_REVISION, 7, pod="new")]
    report = assemble([*old, *new][::turn], NOW)[KEY]["n1"]
    assert (report.wish_revision, report.answered, report.faults) == (7, 10, {})
    assert report.tally is not None
    assert (report.tally.began, report.tally.answered) == (200.0, 10)


@pytest.mark.parametrize("turn", [1, -1], ids=["the old one first", "the new one first"])
def test_of_two_pods_of_a_node_the_one_that_serves_speaks(turn: int) -> None:
    old = [*serving("v1", 100.0, 20, instance="10.0.0.1"), sample(series.WISH_REVISION, 7, instance="10.0.0.1")]
    starting = [sample(series.WISH_REVISION, 0, instance="10.0.0.2")]
    report = assemble([*old, *starting][::turn], NOW)[KEY]["n1"]
    assert (report.wish_revision, report.version, report.answered) == (7, "v1", 20)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_none_says_nothing(value: float) -> None:
    samples = [sample(series.FAULT_ACTIVE, value, fault="slow"), sample(series.ANSWERED_SINCE_SWITCH, value)]
    assert assemble(samples, NOW) == {}


@pytest.mark.parametrize("missing", ["edgemodel", "namespace", "node"])
def test_a_series_without_identity_is_nobodys(missing: str) -> None:
    labels = {name: value for name, value in IDENTITY.items() if name != missing}
    assert assemble([Sample(series.WISH_REVISION, labels, 1)], NOW) == {}


def test_nodes_and_models_are_kept_apart() -> None:
    samples = [sample(series.WISH_REVISION, 1), sample(series.WISH_REVISION, 2, node="n2")]
    samples.append(sample(series.WISH_REVISION, 3, edgemodel="letters"))
    found = assemble(samples, NOW)
    assert {key.name: sorted(nodes) for key, nodes in found.items()} == {"digits": ["n1", "n2"], "letters": ["n1"]}


def test_only_firing_alerts_that_name_a_fault_count() -> None:
    samples = [
        Sample("ALERTS", {**IDENTITY, "fault": "slow", "alertstate": "firing"}, 1),
        Sample("ALERTS", {**IDENTITY, "fault": "late", "alertstate": "pending"}, 1),
        Sample("ALERTS", {**IDENTITY, "alertstate": "firing"}, 1),
    ]
    (alert,) = firing(samples)[KEY]
    assert (alert.fault, alert.node, alert.source) == ("slow", "n1", "Prometheus")


def test_an_alert_began_when_prometheus_says_so() -> None:
    since = {name: value for name, value in FIRING.items() if name != "alertstate"}
    (alert,) = firing([Sample("ALERTS", FIRING, 1), Sample("ALERTS_FOR_STATE", since, NOW.timestamp())])[KEY]
    assert alert.since == NOW


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -1.0, 1e300])
def test_an_alert_without_a_beginning_is_as_old_as_can_be(value: float | None) -> None:
    since = {name: label for name, label in FIRING.items() if name != "alertstate"}
    told = [] if value is None else [Sample("ALERTS_FOR_STATE", since, value)]
    (alert,) = firing([Sample("ALERTS", FIRING, 1), *told])[KEY]
    assert alert.since == datetime(1970, 1, 1, tzinfo=UTC)


# Board


@pytest.fixture
def board() -> Board:
    """Read a moment ago; n1 serves."""
    board = Board(interval=10.0, alerts=True)
    board.take([sample(series.WISH_REVISION, 1)], NOW)
    return board


def test_before_the_first_answer_nothing_is_known() -> None:
    board = Board(interval=10.0)
    assert board.reports(KEY, NOW) == {}


def test_a_first_answer_is_waited_for_and_not_for_ever() -> None:
    board = Board(interval=10.0)
    assert board.patience(NOW) > 0  # whom to ask is not even known
    board.begin(NOW)
    assert board.patience(NOW) == FIRST_LOOK.total_seconds()
    assert (board.patience(NOW + FIRST_LOOK), board.telemetry(NOW + FIRST_LOOK)) == (0, False)
    board.take([], NOW)
    assert (board.patience(NOW), board.telemetry(NOW)) == (0, True)


def test_reports_count_for_three_intervals_and_not_longer(board: Board) -> None:
    assert set(board.reports(KEY, NOW + timedelta(seconds=30))) == {"n1"}
    assert board.reports(KEY, NOW + timedelta(seconds=31)) == {}
    assert board.telemetry(NOW + timedelta(seconds=31)) is False


def test_a_clock_that_is_set_back_makes_no_report_count_for_longer(board: Board) -> None:
    assert board.reports(KEY, NOW - timedelta(hours=1)) == {}
    assert board.telemetry(NOW - timedelta(hours=1)) is False


def test_a_node_that_is_missing_from_an_answer_is_absent(board: Board) -> None:
    board.take([], NOW)
    assert board.reports(KEY, NOW) == {}


def test_the_same_figures_again_wake_nobody(board: Board) -> None:
    assert board.take([sample(series.WISH_REVISION, 1)], NOW + timedelta(seconds=10)) == set()


def test_other_figures_wake_their_model(board: Board) -> None:
    assert board.take([sample(series.WISH_REVISION, 2)], NOW) == {KEY}


def test_a_model_that_vanishes_from_the_figures_is_woken(board: Board) -> None:
    assert board.take([], NOW) == {KEY}


def test_an_alert_that_starts_or_ends_wakes_its_model(board: Board) -> None:
    alert = Sample("ALERTS", {**IDENTITY, "fault": "slow", "alertstate": "firing"}, 1)
    assert board.take([sample(series.WISH_REVISION, 1), alert], NOW) == {KEY}
    assert board.take([sample(series.WISH_REVISION, 1)], NOW) == {KEY}


def test_alerts_of_prometheus_grow_stale_with_it(board: Board) -> None:
    board.take([Sample("ALERTS", {**IDENTITY, "fault": "slow", "alertstate": "firing"}, 1)], NOW)
    assert board.alerts(KEY, NOW + timedelta(seconds=31)) == ()


def test_pods_that_are_scraped_say_nothing_of_alerts() -> None:
    assert Board(10.0).alerts(KEY, NOW) is None


def test_a_model_that_is_gone_leaves_nothing_behind(board: Board) -> None:
    board.take([sample(series.WISH_REVISION, 1), Sample("ALERTS", FIRING, 1)], NOW)
    board.forget(KEY)
    assert (board.reports(KEY, NOW), board.alerts(KEY, NOW)) == ({}, ())


# Sources

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[TestServer]]


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts HTTP servers on loopback; a pod's are all on the admin port, so each has its own address."""
    servers: list[TestServer] = []

    async def start(handler: Handler, host: str = "127.0.0.1", port: int = 0) -> TestServer:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app, host=host, port=port)
        await server.start_server()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


async def prometheus(serve: Serve, session: ClientSession, answer: Any, status: int = 200) -> list[Sample]:
    queries: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.path == "/prefix/api/v1/query"
        queries.append(str((await request.post())["query"]))
        return web.json_response(answer, status=status) if not isinstance(answer, str) else web.Response(text=answer)

    server = await serve(handle)
    samples = await Prometheus(session, f"{server.make_url('/prefix/')}", Access()).read()
    assert series.FAULT_ACTIVE in queries[0]
    assert "ALERTS" in queries[0]
    return samples


async def test_prometheus_is_asked_once_for_everything(serve: Serve, session: ClientSession) -> None:
    row = {"metric": {"__name__": "edgemodel_wish_revision", **IDENTITY}, "value": [1.5, "7"]}
    answer = {"status": "success", "data": {"resultType": "vector", "result": [row]}}
    assert await prometheus(serve, session, answer) == [sample("edgemodel_wish_revision", 7.0)]


async def test_a_label_may_be_called_metric(serve: Serve, session: ClientSession) -> None:
    labels = {"__name__": "ALERTS", "metric": "latency", "value": "high", **IDENTITY}
    answer = {"data": {"result": [{"metric": labels, "value": [1.5, "1"]}]}}
    assert (await prometheus(serve, session, answer))[0].labels == {"metric": "latency", "value": "high", **IDENTITY}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "error", "error": "out of memory"}, 422),
        ("<html>login</html>", 200),
        ({"data": {"result": [{"metric": {}, "value": [1, "1"]}]}}, 200),
        ({"data": {"result": [{"metric": {"__name__": "x", "n": 1}, "value": [1, "1"]}]}}, 200),
        ({"data": {"result": [{"metric": {"__name__": "x"}}]}}, 200),
        ({"data": {"result": [{"value": [1, "1"]}]}}, 200),
        ({"data": {"result": [{"metric": {"__name__": "x"}, "value": [1, "one"]}]}}, 200),
        ([], 200),
        ({"data": None}, 200),
    ],
)
async def test_another_answer_of_prometheus_is_no_signal(
    serve: Serve, session: ClientSession, answer: Any, status: int
) -> None:
    with pytest.raises(SignalError, match="answered something else"):
        await prometheus(serve, session, answer, status)


async def test_a_prometheus_that_is_away_is_no_signal(session: ClientSession) -> None:
    with pytest.raises(SignalError, match="did not answer"):
        await Prometheus(session, "http://127.0.0.1:1", Access()).read()


async def scrape(serve: Any, session: ClientSession, *handlers: Handler) -> list[Sample]:
    """Pods at 127.1.0.1, 127.1.0.2 and so on, each on the admin port."""
    for number, handler in enumerate(handlers, 1):
        await serve(handler, f"127.1.0.{number}", series.PORT_ADMIN)
    who = series.identity(KEY.name, KEY.namespace, "n1")
    targets = [Target(f"127.1.0.{number}", who) for number in range(1, len(handlers) + 1)]
    return await Scrape(session, lambda: targets, lambda: NOW).read()


async def good(_request: web.Request) -> web.Response:
    return web.Response(text=EXPOSITION)


async def broken(_request: web.Request) -> web.Response:
    return web.Response(text="edgemodel_wish_revision{ nonsense")


async def failing(_request: web.Request) -> web.Response:
    return web.Response(status=500, text=EXPOSITION)


async def test_a_pod_is_scraped_for_the_series_that_matter(serve: Serve, session: ClientSession) -> None:
    report = assemble(await scrape(serve, session, good), NOW)[KEY]["n1"]
    assert report.faults == {"low-confidence": True, "high-latency": False}
    assert (report.digest, report.answered, report.wish_revision, report.samples) == ("d1", 41, 7, 12)
    assert report.refused == {"d2": "NotOnnx"}


async def test_a_report_is_as_old_as_the_answer_of_its_pod(serve: Serve, session: ClientSession) -> None:
    samples = await scrape(serve, session, good)
    assert assemble(samples, NOW + timedelta(seconds=20))[KEY]["n1"].at == NOW


async def test_pods_behind_a_cut_link_make_nobody_s_news_old(serve: Serve, session: ClientSession) -> None:
    await serve(good, "127.1.0.1", series.PORT_ADMIN)
    targets = [Target("127.1.0.1", series.identity(KEY.name, KEY.namespace, "n1"))]
    with deaf("127.1.1.1", series.PORT_ADMIN):
        cut = Target("127.1.1.1", series.identity(KEY.name, KEY.namespace, "n2"))
        began = time.monotonic()
        samples = await Scrape(session, lambda: [cut] * SCRAPES_AT_ONCE + targets, lambda: NOW).read()
        assert time.monotonic() - began < 12, "one after the other they take 20 s and more"
    assert list(assemble(samples, NOW)[KEY]) == ["n1"]


@contextmanager
def deaf(host: str, port: int) -> Iterator[None]:
    """Who connects within the block hears nothing at all: the queue of those who wait is full."""
    with ExitStack() as stack:
        ear = stack.enter_context(socket.socket())
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind((host, port))
        ear.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield


async def test_a_pod_speaks_for_itself_only(serve: Serve, session: ClientSession) -> None:
    async def liar(_request: web.Request) -> web.Response:
        return web.Response(text=EXPOSITION.replace(f'edgemodel="{KEY.name}"', 'edgemodel="of-somebody-else"'))

    assert list(assemble(await scrape(serve, session, liar), NOW)) == [KEY]


async def test_two_pods_of_a_node_are_told_apart(serve: Serve, session: ClientSession) -> None:
    async def starting(_request: web.Request) -> web.Response:
        return web.Response(text='edgemodel_wish_revision{edgemodel="digits",namespace="plant-a",node="n1"} 0')

    report = assemble(await scrape(serve, session, starting, good, starting), NOW)[KEY]["n1"]
    assert (report.version, report.wish_revision) == ("v1", 7)


async def test_an_answer_in_pieces_is_read_whole(serve: Serve, session: ClientSession) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in EXPOSITION.splitlines(keepends=True):
            await response.write(line.encode())
            await asyncio.sleep(0)
        return response

    assert len(await scrape(serve, session, slowly)) == 7


@pytest.mark.parametrize("other", [broken, failing])
async def test_a_pod_that_answers_nonsense_is_absent(serve: Serve, session: ClientSession, other: Handler) -> None:
    assert len(await scrape(serve, session, other, good)) == 7


async def test_a_pod_that_answers_without_end_is_absent(serve: Serve, session: ClientSession) -> None:
    async def endless(_request: web.Request) -> web.Response:
        return web.Response(text=EXPOSITION + "# " + "x" * MAX_SCRAPE_BYTES + "\n")

    assert len(await scrape(serve, session, endless, good)) == 7


async def test_pods_of_which_none_answers_are_no_signal(serve: Serve, session: ClientSession) -> None:
    with pytest.raises(SignalError, match="none of 1 pods"):
        await scrape(serve, session, broken)


async def test_no_pods_are_an_answer_too(serve: Serve, session: ClientSession) -> None:
    assert await scrape(serve, session) == []
