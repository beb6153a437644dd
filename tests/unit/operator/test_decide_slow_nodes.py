"""A node that cannot take a version for what it is itself says nothing of the version: others are asked."""

from dataclasses import replace

import pytest

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide import decide
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import WriteStatus
from tests.unit.operator.plant import IMAGES, digest
from tests.unit.operator.world import World


@pytest.fixture(scope="module")
def observation() -> Observation:
    """v2 is on its way to the canary, n1; v1 serves on all four nodes."""
    world = World()
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.nodes == ("n1",))
    return world.observe()


def decided(observation: Observation, code: str, where: str, *nodes: str) -> Status:
    """The status after these nodes have said of v2, as `where` tells it, that they do not take it."""
    said = {where: {digest(2): code}}
    reports = {n: replace(r, **said) if n in nodes else r for n, r in observation.reports.items()}  # type: ignore[arg-type]  # a field's name
    plan = decide(replace(observation, reports=reports), IMAGES)
    return next(action.status for action in plan.actions if isinstance(action, WriteStatus))


@pytest.mark.parametrize("where", ["refused", "pending"])
@pytest.mark.parametrize("code", ["TooSlow", "JailOutOfMemory", "JailTimeout"])
def test_a_canary_that_cannot_take_a_version_is_made_up_for_and_bars_nothing(
    observation: Observation, code: str, where: str
) -> None:
    status = decided(observation, code, where, "n1")
    found = status.find_version("v2")
    assert found is not None
    assert found.state is VersionState.CANARY
    assert status.rollout is not None
    assert status.rollout.nodes == ("n1", "n2")


def test_where_no_node_can_take_a_version_it_waits_and_is_not_barred(observation: Observation) -> None:
    status = decided(observation, "TooSlow", "refused", *observation.reports)
    assert status.rollout is not None
    assert status.rollout.reason == "WaitingForNodes"


def test_a_canary_that_says_what_is_wrong_with_a_version_is_believed(observation: Observation) -> None:
    found = decided(observation, "NotOnnx", "refused", "n1").find_version("v2")
    assert found is not None
    assert (found.state, found.reason) == (VersionState.REJECTED, "NotOnnx")
