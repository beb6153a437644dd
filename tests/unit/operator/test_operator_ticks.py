"""One tick: what is written first, and what people see of one that fails."""

import copy

import pytest

from edgemodel_operator.decide import Images
from edgemodel_operator.reconcile import Reconciler
from tests.unit.operator.api_in_memory import Mishap
from tests.unit.operator.world import IMAGES, KEY, World


@pytest.fixture
def world(one_good: World) -> World:
    """Four nodes on which v1 serves and was proved good."""
    return copy.deepcopy(one_good)


def test_people_are_told_when_all_is_written(world: World) -> None:
    since = len(world.api.order)
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None)
    order = world.api.order[since:]
    assert order.index("ConfigMap") < order.index("Event")
    assert order.index("Pod") < order.index("Event")


def test_events_that_nobody_takes_keep_nothing_from_being_written(world: World) -> None:
    told = len(world.api.events)
    world.api.takes_events = False
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    assert len(world.api.events) == told


def test_what_was_decided_is_told_although_a_write_after_it_fails(world: World) -> None:
    told = len(world.api.events)
    world.wish_for("v2")
    world.mishap(Mishap.REFUSED, after=1)
    world.step()
    assert [event.reason for event in world.api.events[told:]] == ["RolloutStarted"]


def reconciler(world: World, images: Images) -> Reconciler:
    return Reconciler(world.api, world.operator.eyes, world.operator.board, images, world.operator.clock)


async def failing(world: World, times: int) -> Reconciler:
    """The reconciler of an operator with a bug, after so many ticks."""
    found = reconciler(world, None)  # type: ignore[arg-type]  # a bug
    for _ in range(times):
        world.operator.watches.deliver()
        with pytest.raises(AttributeError) as caught:
            await found.tick(KEY)
        await found.broke(KEY, caught.value)
    return found


async def test_a_tick_that_fails_is_told_in_the_status_once(world: World) -> None:
    writes, before = world.api.calls, world.status
    await failing(world, times=3)
    assert world.api.calls == writes + 1
    assert world.condition("Stalled") == ("True", "InternalError")
    (stalled,) = (condition for condition in world.status.conditions if condition.type == "Stalled")
    assert "AttributeError" in stalled.message
    assert world.status.versions == before.versions


async def test_what_failed_is_forgotten_when_it_works_again(world: World) -> None:
    mended = await failing(world, times=2)
    mended._images = IMAGES
    for _ in range(2):
        world.operator.watches.deliver()
        await mended.tick(KEY)
    assert world.condition("Stalled") == ("", "")


async def test_a_bug_behind_the_decision_makes_nobody_write_again_and_again(world: World) -> None:
    found, decides = await failing(world, times=1), reconciler(world, IMAGES)
    writes = []
    for _ in range(3):
        world.operator.watches.deliver()
        await decides.tick(KEY)
        await found.broke(KEY, AttributeError())
        writes.append(world.api.calls)
    assert len(set(writes)) == 1
