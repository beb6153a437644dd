"""What nodes did about faults besides switching: written down with its verdict, once, and theirs to count."""

import copy

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.status import HEALS_KEPT, NODE_HEALS_KEPT, HealRecord
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.model.observation import Judged
from tests.unit.operator.test_decide_guard import plant
from tests.unit.operator.world import World, digest

FAULT = "high-latency"
FAILED: Judged = (FAULT, ActionType.RESTART, Verdict.FAILED)
PROVED: Judged = (FAULT, ActionType.RESTART, Verdict.PROVED)


@pytest.fixture
def world(two_good: World) -> World:
    return copy.deepcopy(two_good)


def judge(world: World, *nodes: str, kind: Judged = FAILED, ago: float = 5.0) -> None:
    """These nodes restarted themselves, and know for `ago` seconds how that ended."""
    for name in nodes:
        world.edges[name].acted = {kind: world.now.timestamp() - ago}


def kinds(world: World) -> list[Judged]:
    return [(heal.fault, heal.action, heal.verdict) for heal in world.status.heals if heal.nodes and heal.verdict]


@pytest.mark.shows("adoption.learn")
def test_a_restart_that_did_not_help_is_evidence_and_told_once(world: World) -> None:
    at = int(world.now.timestamp()) - 5
    judge(world, "n3")
    world.run(60)
    (heal,) = world.status.heals
    assert (heal.nodes, heal.action, heal.verdict) == (("n3",), ActionType.RESTART, Verdict.FAILED)
    assert heal.verified_at is not None
    assert (heal.at, heal.verified_at.timestamp()) == (heal.verified_at, at)
    assert heal.evidence == "high-latency on n3, by the node's own detector"
    assert world.told("Adopted") == ["n3: Restart by the node itself (high-latency): Failed"]


def test_at_rest_it_writes_nothing_also_after_a_restart_of_the_operator(world: World) -> None:
    judge(world, "n3")
    judge(world, "n1", kind=PROVED)
    world.run(60)
    writes = world.writes
    world.run(300)
    world.restart()
    world.run(300)
    assert (world.writes, len(world.told("Adopted")), len(world.status.heals)) == (writes, 2, 2)


def test_nodes_that_did_the_same_share_a_heal_and_each_is_told(world: World) -> None:
    judge(world, "n3", "n2")
    world.run(30)
    judge(world, "n1")
    world.run(30)
    (heal,) = world.status.heals
    assert heal.nodes == ("n1", "n2", "n3")
    assert [message.partition(":")[0] for message in world.told("Adopted")] == ["n2, n3", "n1"]


def test_one_that_was_offline_is_evidence_though_it_is_older(world: World) -> None:
    judge(world, "n3")
    world.run(30)
    judge(world, "n1", ago=7200.0)
    world.run(30)
    assert world.status.heals[0].nodes == ("n1", "n3")


def test_the_next_restart_of_the_same_node_is_news(world: World) -> None:
    judge(world, "n3")
    world.run(60)
    judge(world, "n3")
    world.run(60)
    assert (len(world.told("Adopted")), len(world.status.heals)) == (2, 1)


def test_a_restart_that_ended_otherwise_is_another_heal(world: World) -> None:
    judge(world, "n3")
    world.run(60)
    judge(world, "n3", kind=PROVED)
    world.run(60)
    assert kinds(world) == [FAILED, PROVED]


def test_a_clock_that_is_ahead_hides_nobody_elses_restart(world: World) -> None:
    judge(world, "n3", ago=-600.0)
    world.run(60)
    assert world.status.heals == ()
    judge(world, "n1")
    world.run(60)
    assert world.status.heals[0].nodes == ("n1",)
    world.run(600)
    assert (world.status.heals[0].nodes, len(world.told("Adopted"))) == (("n1", "n3"), 2)


def test_a_fault_that_no_rule_knows_is_not_written_down(world: World) -> None:
    judge(world, "n3", kind=("gremlins", ActionType.RESTART, Verdict.FAILED))
    world.run(60)
    assert world.status.heals == ()


def test_a_nodes_restarts_hold_up_no_heal_of_the_fleet() -> None:
    fleet = plant(4, "SwitchModel")
    judge(fleet, *fleet.edges, kind=(FAULT, ActionType.CLEAR_CACHE, Verdict.FAILED))
    fleet.run(30)
    assert (fleet.status.healing.last_hour, fleet.status.heals[0].nodes) == (0, tuple(fleet.edges))
    fleet.script.heal_locally = False
    fleet.script.bad[digest(2)] = FAULT
    fleet.until(lambda w: w.status.version == "v1", within=30)
    assert fleet.status.healing.last_hour == 1


def test_more_nodes_than_are_named_are_written_down_once_too() -> None:
    fleet = World(size=120)
    fleet.until(lambda w: w.status.last_good == "v1")
    judge(fleet, *fleet.edges)
    fleet.run(30)
    writes = fleet.writes
    fleet.run(60)
    assert (fleet.writes, len(fleet.status.heals), len(fleet.status.heals[0].nodes)) == (writes, 1, 100)


def heal(number: int, *nodes: str) -> HealRecord:
    """The one of its number, by the operator or by nodes."""
    return HealRecord(at="2026-01-01T00:00:00Z", fault=f"fault-{number}", action=ActionType.RESTART, nodes=nodes)


def test_neither_the_operators_heals_nor_those_of_nodes_crowd_out_the_others(world: World) -> None:
    draft = Draft(status=world.status)
    for number in range(3):
        draft = draft.add_heal(heal(number))
    for number in range(100):
        draft = draft.add_heal(heal(number, "n3"))
    own = [known.fault for known in draft.status.heals if not known.nodes]
    assert (own, len(draft.status.heals)) == (["fault-0", "fault-1", "fault-2"], 3 + NODE_HEALS_KEPT)
    for number in range(100):
        draft = draft.add_heal(heal(number))
    assert len(draft.status.heals) == HEALS_KEPT + NODE_HEALS_KEPT
    assert draft.status.heals[-1].fault == "fault-99"


def test_what_a_node_still_tells_is_not_forgotten_for_what_is_over(world: World) -> None:
    draft = Draft(status=world.status)
    for number in range(100):
        draft = draft.add_heal(heal(number, "n3"), lambda known: known.fault == "fault-0")
    assert draft.status.heals[0].fault == "fault-0"
