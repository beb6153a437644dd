"""Pods, Jobs and alerts may say anything: a decision is made, and the API server can store what it says."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemodel import series, tally
from edgemodel.outcome import Gate, Outcome
from edgemodel.tally import Measure
from edgemodel_operator.api.states import DistillationPhase
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Job, Node, Observation
from edgemodel_operator.model.plan import WriteStatus
from edgemodel_operator.signals import webhook
from edgemodel_operator.signals.board import Board
from edgemodel_operator.signals.reports import Sample
from tests.unit.operator.script import Traffic
from tests.unit.operator.world import IMAGES, KEY, World, digest

WORDS = st.sampled_from(["", "n1", "v1", "low-confidence", "é" * 200, "x" * 5000, "\x00", digest(1), "NotOnnx"])
VALUES = st.sampled_from([0.0, 1.0, -5.0, 1e300, float("nan"), float("inf"), float("-inf")])
NAMES = st.sampled_from(
    [series.SERVING_INFO, series.FAULT_ACTIVE, series.REFUSED_INFO, series.ANSWERED_SINCE_SWITCH, series.WISH_REVISION]
)
LABELS = st.fixed_dictionaries(
    {"node": st.sampled_from(["n1", "n2", "x"])},
    optional={"fault": WORDS, "digest": WORDS, "version": WORDS, "reason": WORDS},
)


@pytest.fixture(scope="module")
def observation() -> Observation:
    """v2 is on its canary, v1 serves on the other node."""
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    return world.observe()


@pytest.fixture(scope="module")
def compared() -> Observation:
    """The same, with nodes that tally their requests."""
    world = World(size=2)
    world.script.traffic = Traffic()
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.comparison is not None)
    return world.observe()


def stored(observation: Observation) -> Status:
    """The status as the API server gives it back; fails where it would refuse it."""
    plan = decide(observation, IMAGES)
    status = next((a.status for a in plan.actions if isinstance(a, WriteStatus)), observation.model.status)
    wire = json.loads(status.model_dump_json(by_alias=True, exclude_none=True))
    again = Status.model_validate(wire)
    assert again == status
    return again


@settings(max_examples=100, deadline=None)
@given(series_=st.lists(st.tuples(NAMES, LABELS, VALUES), max_size=12))
def test_whatever_pods_export_can_be_decided_on(
    observation: Observation, series_: list[tuple[str, dict[str, str], float]]
) -> None:
    identity = {"namespace": KEY.namespace, "edgemodel": KEY.name}
    board = Board(10.0)
    board.take([Sample(name, labels | identity, value) for name, labels, value in series_], observation.now)
    stored(replace(observation, reports=board.reports(KEY, observation.now)))


NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 40.0, -3.0, 1e-300, 1e12, -1e12, 1e300, float("nan")])
TALLIES = st.fixed_dictionaries({(measure.value, part): NUMBERS for measure in Measure for part in tally.PARTS})


@settings(max_examples=200, deadline=None)
@given(counted=st.fixed_dictionaries({name: st.tuples(NUMBERS, NUMBERS, TALLIES) for name in ("n1", "n2")}))
def test_whatever_pods_count_can_be_compared(
    compared: Observation, counted: dict[str, tuple[float, float, dict[tuple[str, str], float]]]
) -> None:
    reports = {node: replace(compared.reports[node], tally=tally.read(*numbers)) for node, numbers in counted.items()}
    stored(replace(compared, reports=reports))


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.fixed_dictionaries({}, optional={"fault": WORDS, "node": WORDS}), max_size=3))
def test_whatever_alerts_name_can_be_decided_on(observation: Observation, labels: list[dict[str, str]]) -> None:
    stored(replace(observation, alerts=tuple(alerts_of(labels))))


def test_more_faults_than_a_status_holds_are_cut(observation: Observation) -> None:
    alerts = alerts_of([{"fault": f"fault-{number}"} for number in range(200)])
    assert len(stored(replace(observation, alerts=tuple(alerts))).faults) == 30


def alerts_of(labels: list[dict[str, str]]) -> list[Any]:
    identity = {"namespace": KEY.namespace, "edgemodel": KEY.name}
    start = {"startsAt": "2026-01-01T00:00:00Z", "status": "firing"}
    items = [{**start, "fingerprint": str(i), "labels": label | identity} for i, label in enumerate(labels)]
    delivery = webhook.parse(json.dumps({"alerts": items}).encode())
    return [notice.alert for notices in delivery.notices.values() for notice in notices]


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(code="C" * 300, message="é" * 3000),
        Outcome(code="Rejected", gates=tuple(Gate(name="g" * 90, want=1, got=0, passed=False) for _ in range(30))),
        Outcome(code="Accepted", digest=digest(9), message="m" * 3000, scores={f"s{i}": math.nan for i in range(99)}),
        Outcome(code="Accepted"),
        None,
    ],
)
def test_whatever_a_job_says_at_its_end_can_be_stored(outcome: Outcome | None) -> None:
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    world.script.drift = "low-confidence"
    world.until(lambda w: w.live_jobs != [])
    running = world.observe()
    job = Job(
        name=world.live_jobs[0],
        attempt=1,
        running=False,
        finished=True,
        failed=outcome is None,
        outcome=outcome,
        message="x" * 9000,
    )
    status = stored(replace(running, jobs=(job,), now=running.now + timedelta(seconds=5)))
    assert status.distillation is not None
    assert status.distillation.phase in (
        DistillationPhase.ACCEPTED,
        DistillationPhase.REJECTED,
        DistillationPhase.FAILED,
    )


def test_a_rollout_over_more_nodes_than_a_status_names_can_be_stored(observation: Observation) -> None:
    rollout = observation.model.status.rollout
    assert rollout is not None
    status = observation.model.status.model_copy(update={"rollout": rollout.model_copy(update={"step": 1})})
    nodes = tuple(Node(name=f"n{i}", ready=True) for i in range(1100))
    model = observation.model.model_copy(update={"status": status})
    wide = replace(observation, nodes=nodes, model=model)
    after = stored(wide)
    assert after.rollout is not None
    assert len(after.rollout.nodes) == 1000
    assert stored(replace(wide, model=model.model_copy(update={"status": after}))).rollout == after.rollout
