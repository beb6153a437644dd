"""Alerts as evidence: any order and any number of deliveries end alike, and one alert asks for one action."""

import copy
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.status import ALERTS_KEPT
from edgemodel_operator.decide import alerts
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Alert, Notice
from tests.unit.operator.world import World

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(two_good: World) -> World:
    """v2 serves everywhere, v1 is its backup; the nodes' rules have no verdict, so that alerts are all there is."""
    world = copy.deepcopy(two_good)
    world.script.verdicts = False
    return world


def notice(start: float = 0, *, firing: bool = True, node: str = "", fingerprint: str = "f1") -> Notice:
    alert = Alert(fault="low-confidence", node=node, since=BEGIN + timedelta(seconds=start), source="Alertmanager")
    return Notice(fingerprint=fingerprint, alert=alert, firing=firing)


def actions(world: World) -> list[tuple[ActionType, Verdict | None]]:
    return [(heal.action, heal.verdict) for heal in world.status.heals]


def ring(world: World, *notices: Notice) -> None:
    world.notices.extend(notices)
    world.step()


def skip(world: World, time: timedelta) -> None:
    """Let much time pass in which nothing new happens."""
    world.now += time
    world.step()


def test_an_alert_about_all_nodes_rolls_back(world: World) -> None:
    ring(world, notice())
    assert (world.status.version, actions(world)) == ("v1", [(ActionType.SWITCH_MODEL, None)])


def test_an_alert_about_one_node_is_the_nodes(world: World) -> None:
    ring(world, notice(node="n3"))
    assert world.status.version == "v2"
    assert [(fault.nodes, fault.blame.value) for fault in world.status.faults] == [(("n3",), "Node")]


def test_an_alert_that_nodes_contradict_does_nothing(world: World) -> None:
    world.script.verdicts = True
    world.run(60)
    ring(world, notice())
    assert (world.status.version, world.status.faults) == ("v2", ())


@pytest.mark.parametrize("again", [notice(), notice(fingerprint="f1")])
@pytest.mark.shows("alerts.take_in", "heal.next_for")
def test_an_alert_that_is_delivered_again_and_again_acts_once(world: World, again: Notice) -> None:
    world.edit(lambda spec: spec.update(backup="v3"))
    ring(world, notice())
    world.run(600)
    for _ in range(10):
        skip(world, timedelta(minutes=2))
        ring(world, again)
    assert world.told("RolledBack") == [world.told("RolledBack")[0]]
    assert actions(world) == [(ActionType.SWITCH_MODEL, Verdict.UNPROVED)]
    assert world.condition("Healing") == ("False", "AlertAnswered")


def test_an_alert_that_ends_after_the_action_proves_it(world: World) -> None:
    ring(world, notice())
    world.run(30)
    ring(world, notice(firing=False))
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    assert world.status.faults == ()


def test_a_late_copy_of_an_alert_that_is_over_does_nothing(world: World) -> None:
    ring(world, notice(firing=False))
    ring(world, notice())
    world.run(300)
    assert (world.status.version, world.status.faults) == ("v2", ())


def test_an_alert_that_begins_anew_asks_again(world: World) -> None:
    world.edit(lambda spec: spec.update(backup="v3"))
    ring(world, notice())
    world.run(30)
    ring(world, notice(firing=False))
    world.until(lambda w: actions(w) == [(ActionType.SWITCH_MODEL, Verdict.PROVED)])
    world.run(120)
    ring(world, notice(start=1000))
    assert world.status.version == "v1"


@pytest.mark.shows("alerts.take_in")
def test_an_alert_survives_the_operator(world: World) -> None:
    world.edit(lambda spec: spec["healing"].update(strategies=[]))
    ring(world, notice())
    world.restart()
    world.run(60)
    assert [fault.name for fault in world.status.faults] == ["low-confidence"]


def test_an_alert_that_is_neither_repeated_nor_resolved_is_forgotten(world: World) -> None:
    ring(world, notice(node="n3"))
    skip(world, alerts.LIFETIME)
    assert (world.status.alerts, world.status.faults) == ((), ())


def test_a_repeated_alert_is_not_forgotten(world: World) -> None:
    ring(world, notice(node="n3"))
    for _ in range(6):
        skip(world, timedelta(hours=1))
        ring(world, notice(node="n3"))
    assert [fault.name for fault in world.status.faults] == ["low-confidence"]


@pytest.mark.parametrize("lost", [0, 1], ids=["every delivery comes", "every second delivery is lost"])
def test_an_alert_that_is_repeated_by_alertmanagers_defaults_never_looks_over(world: World, lost: int) -> None:
    ring(world, notice(node="n3"))
    for _ in range(3):
        skip(world, (1 + lost) * timedelta(hours=4, minutes=5))
        assert [fault.name for fault in world.status.faults] == ["low-confidence"]
        ring(world, notice(node="n3"))
    assert world.told("FaultCleared") == []


def test_a_repeated_alert_is_hardly_ever_written_down_again(world: World) -> None:
    ring(world, notice(node="n3"))
    before = world.writes
    for _ in range(30):
        ring(world, notice(node="n3"))
    assert world.writes == before


def test_while_paused_an_alert_is_written_down_and_nothing_is_done(world: World) -> None:
    world.annotate(pause="yes")
    ring(world, notice())
    assert (world.status.version, len(world.status.alerts)) == ("v2", 1)


def test_where_prometheus_says_what_fires_the_webhook_does_not(world: World) -> None:
    ring(world, notice(node="n3"))
    observation = replace(world.observe(), alerts=(), notices=(notice(node="n2", fingerprint="f2"),))
    assert alerts.take_in(observation, Draft(status=world.status)).status.alerts == ()


def test_of_too_many_alerts_those_that_fire_are_kept(world: World) -> None:
    over = [notice(i, firing=False, fingerprint=f"over-{i}", node="n3") for i in range(ALERTS_KEPT)]
    ring(world, *over, notice(node="n3", fingerprint="fires"))
    assert len(world.status.alerts) == ALERTS_KEPT
    assert [alert.fingerprint for alert in world.status.alerts if not alert.resolved] == ["fires"]


DELIVERIES = [notice(start, firing=firing) for start, firing in itertools.product((0, 100), (True, False))]


@given(st.permutations(DELIVERIES * 2))
def test_deliveries_in_any_order_and_number_end_alike(two_good: World, order: list[Notice]) -> None:
    draft = Draft(status=two_good.status)
    for delivered in order:
        draft = alerts.take_in(replace(two_good.observe(), notices=(delivered,)), draft)
    (found,) = draft.status.alerts
    assert (found.since, found.resolved) == (BEGIN + timedelta(seconds=100), True)
