"""Four thousand nodes, more than a status names: a rollout says so, sends nobody back, and is judged by all."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status
from edgemodel_operator.api.status_rollout import CANARIES_KEPT, RolloutStatus
from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Node, Observation, Pod, Report
from edgemodel_operator.model.plan import Plan, WriteStatus
from tests.unit.operator.plant import IMAGES, digest
from tests.unit.operator.world import World

SIZE = 4000
NAMES = [f"edge-{number:04}" for number in range(SIZE)]
SECONDS = 5.0
"""Processor time that one decision may take; what grows with the square of the fleet takes minutes."""
Fleet = Callable[..., Observation]


@pytest.fixture(scope="module")
def canary() -> World:
    """v1 was proved good, v2 begins with a canary and goes on with half of the fleet."""
    world = World(size=1)
    world.edit(
        lambda spec: spec["rollout"].update(steps=[{"nodes": 1, "hold": "20s"}, {"nodes": "50%", "hold": "20s"}])
    )
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None)
    return world


@pytest.fixture
def fleet(canary: World) -> Fleet:
    """What is seen of the fleet in a step: `served` gives the number of the version that a node serves."""

    def fleet(step: int, nodes: list[str], served: Callable[[int], int], **report: object) -> Observation:
        seen = canary.observe()
        found = seen.model.status.rollout
        assert found is not None
        long_ago = seen.now - timedelta(hours=1)
        update = {"step": step, "since": long_ago, "held_since": long_ago, "nodes": tuple(nodes)}
        status = seen.model.status.model_copy(update={"rollout": found.model_copy(update=update)})
        reports = {
            name: Report(
                node=name,
                at=seen.now,
                version=f"v{served(number)}",
                digest=digest(served(number)),
                answered=100,
                **{"faults": {"low-confidence": False, "high-latency": False}, **report},  # type: ignore[arg-type]  # a test's own
            )
            for number, name in enumerate(NAMES)
        }
        return replace(
            seen,
            model=seen.model.model_copy(update={"status": status}),
            nodes=tuple(Node(name=name, ready=True) for name in NAMES),
            pods=tuple(Pod(name=name, node=name, ready=True, revision=9, address="") for name in NAMES),
            reports=reports,
        )

    return fleet


def status_of(observation: Observation, plan: Plan | None = None) -> Status:
    plan = decide(observation, IMAGES) if plan is None else plan
    return next(action.status for action in plan.actions if isinstance(action, WriteStatus))


def rollout_of(status: Status) -> RolloutStatus:
    assert status.rollout is not None, status.rollout
    return status.rollout


def test_a_step_that_cannot_have_all_that_it_wants_says_so(fleet: Fleet) -> None:
    status = status_of(fleet(1, NAMES[:1], lambda number: 2 if number == 0 else 1))
    assert len(rollout_of(status).nodes) == CANARIES_KEPT
    condition = status.condition("RollingOut")
    assert condition is not None
    assert condition.message.startswith("v1 → v2 on edge-0000, edge-0001, edge-0002, edge-0003, edge-0004 and 995 more")
    assert "step 2 wants 2000 nodes" in condition.message


def test_nobody_who_was_chosen_is_sent_back(fleet: Fleet) -> None:
    chosen = NAMES[-500:]
    nodes = rollout_of(status_of(fleet(1, chosen, lambda number: 2 if number >= SIZE - 500 else 1))).nodes
    assert set(chosen) < set(nodes)
    assert len(nodes) == CANARIES_KEPT


def test_the_last_step_waits_for_every_node_in_sight(fleet: Fleet) -> None:
    status = status_of(fleet(2, NAMES[:CANARIES_KEPT], lambda number: 2 if number < SIZE - 1 else 1))
    assert rollout_of(status).reason == "WaitingForNodes"


def test_the_last_step_is_over_when_every_node_does_well(fleet: Fleet) -> None:
    status = status_of(fleet(2, NAMES[:CANARIES_KEPT], lambda _: 2))
    assert (status.version, status.rollout) == ("v2", None)


def test_the_last_step_is_judged_by_nodes_that_no_status_names(fleet: Fleet) -> None:
    seen = fleet(2, NAMES[:CANARIES_KEPT], lambda _: 2)
    bad = {"low-confidence": True, "high-latency": False}
    reports = {name: replace(report, faults=bad) for name, report in list(seen.reports.items())[CANARIES_KEPT:]}
    status = status_of(replace(seen, reports={**seen.reports, **reports}))
    found = status.find_version("v2")
    assert found is not None
    assert (status.version, found.state, status.rollout) == ("v1", VersionState.QUARANTINED, None)


@pytest.mark.parametrize("step", [1, 2])
def test_deciding_on_thousands_of_nodes_takes_no_minutes(fleet: Fleet, step: int) -> None:
    seen = fleet(step, NAMES[:CANARIES_KEPT], lambda number: 2 if number < CANARIES_KEPT else 1)
    since = time.process_time()
    decide(seen, IMAGES)
    assert time.process_time() - since < SECONDS
