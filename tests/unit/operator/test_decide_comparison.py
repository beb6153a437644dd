"""A new version beside the old one over the same time: what is worse goes back, what is not goes on."""

import copy

import pytest

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status_rollout import BASELINES_KEPT, ComparisonStatus
from tests.unit.operator.script import Traffic
from tests.unit.operator.world import World, digest


@pytest.fixture(scope="module")
def settled() -> World:
    world = World(size=5)
    world.script.traffic = Traffic(seconds={"n1": 3.0, "n3": 0.5}, confidence={"n2": -0.1})
    world.until(lambda w: w.status.last_good == "v1")
    world.run(120)
    return world


@pytest.fixture
def world(settled: World) -> World:
    """Five nodes that differ in their processors and in what they see; v1 has served for a while."""
    return copy.deepcopy(settled)


def traffic(world: World) -> Traffic:
    assert world.script.traffic is not None
    return world.script.traffic


def compared(world: World) -> ComparisonStatus:
    assert world.status.rollout is not None
    assert world.status.rollout.comparison is not None
    return world.status.rollout.comparison


def taken_back(world: World, reason: str) -> bool:
    found = world.status.find_version("v2")
    return found is not None and (found.state, found.reason) == (VersionState.QUARANTINED, reason)


def test_a_version_that_is_as_good_goes_everywhere_though_its_canary_is_the_slowest_node(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v2"})
    assert "latency" in world.told("RolloutAdvanced")[0]
    assert world.status.heals == ()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ({"seconds": {digest(2): 3.0}}, "WorseLatency"),
        ({"confidence": {digest(2): -0.25}}, "WorseConfidence"),
        ({"errors": {digest(2): 0.3}}, "MoreErrors"),
    ],
)
@pytest.mark.shows("step._worse")
def test_a_version_that_is_worse_is_taken_back_though_no_rule_fires(
    world: World, harm: dict[str, dict[str, float]], reason: str
) -> None:
    for name, values in harm.items():
        getattr(traffic(world), name).update(values)
    world.wish_for("v2")
    world.until(lambda w: taken_back(w, reason))
    world.until(lambda w: w.serving() == {"v1"})
    assert [edge.name for edge in world.edges.values() if "v2" in edge.served] == ["n1"]
    (heal,) = world.status.heals
    assert (heal.fault, heal.from_, heal.to, heal.verdict) == (reason, "v2", "v1", "Proved")
    assert "requests compared" in heal.evidence


def test_what_the_user_allows_is_no_reason_to_take_a_version_back(world: World) -> None:
    world.edit(lambda spec: spec["rollout"]["judge"].update(maxLatencyRatio=4))
    traffic(world).seconds[digest(2)] = 3.0
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v2"})


def test_a_change_that_the_old_version_sees_as_well_is_not_the_new_ones_fault(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    noisy = traffic(world)
    noisy.seconds = {name: 4 * noisy.seconds.get(name, 1.0) for name in world.edges}
    noisy.confidence = dict.fromkeys(world.edges, -0.2)
    world.until(lambda w: w.serving() == {"v2"})


@pytest.mark.shows("step._unclear")
def test_a_version_that_looks_worse_by_few_figures_waits_for_more(world: World) -> None:
    traffic(world).seconds[digest(2)] = 1.75
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.reason == "WaitingForComparison")
    assert world.status.version == "v1"
    world.until(lambda w: taken_back(w, "WorseLatency"), within=3600)


def test_the_status_shows_both_sides(world: World) -> None:
    traffic(world).seconds[digest(2)] = 1.3
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.reason == "Holding")
    world.run(20)
    found = compared(world)
    assert (found.canary_nodes, found.control_nodes) == (1, 4)
    assert found.latency_ratio is not None
    assert found.latency_ratio.value == pytest.approx(1.3, abs=0.3)
    assert found.error_difference is not None
    assert found.error_difference.value == 0


def test_a_canary_whose_worker_was_replaced_is_judged_by_what_it_counted_since(world: World) -> None:
    traffic(world).seconds[digest(2)] = 3.0
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.reason == "Holding")
    world.edges["n1"].power(False)
    world.edges["n1"].power(True)
    world.until(lambda w: taken_back(w, "WorseLatency"))


def test_others_whose_workers_were_replaced_do_not_blur_the_comparison(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    for name in ("n2", "n4"):
        world.edges[name].power(False)
        world.edges[name].power(True)
    world.until(lambda w: w.serving() == {"v2"})


def test_nodes_that_tally_nothing_are_judged_by_the_rules_alone() -> None:
    world = World()
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.reason == "Holding")
    assert world.status.rollout is not None
    assert world.status.rollout.comparison is None
    world.until(lambda w: w.serving() == {"v2"})


def test_one_node_alone_is_judged_by_the_rules_alone() -> None:
    world = World(size=1)
    world.script.traffic = Traffic(seconds={digest(2): 5.0})
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v2"})


def test_too_few_requests_of_the_old_version_judge_nobody(world: World) -> None:
    world.edit(lambda spec: spec["rollout"]["judge"].update(minSamples=1000))
    traffic(world).seconds[digest(2)] = 5.0
    world.wish_for("v2")
    world.run(120)
    assert world.state("v2") is VersionState.CANARY
    world.until(lambda w: taken_back(w, "WorseLatency"), within=3600)


def test_a_wave_is_compared_with_the_nodes_that_are_left(world: World) -> None:
    steps = [{"nodes": 1, "hold": "10s"}, {"nodes": 3, "hold": "20s"}]
    world.edit(lambda spec: spec["rollout"].update(steps=steps))
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.step == 1)
    traffic(world).confidence[digest(2)] = -0.4
    world.until(lambda w: taken_back(w, "WorseConfidence"), within=1200)
    assert all("v2" not in world.edges[name].served for name in ("n4", "n5"))


def test_what_is_remembered_of_a_large_fleet_is_bounded() -> None:
    world = World(size=60)
    world.edit(lambda spec: spec["rollout"].update(steps=[{"nodes": "50%", "hold": "60s"}]))
    world.script.traffic = Traffic()
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.rollout is not None and w.status.rollout.reason == "Holding")
    world.run(20)
    assert world.status.rollout is not None
    assert len(world.status.rollout.baselines or {}) == BASELINES_KEPT
    assert (compared(world).canary_nodes, compared(world).control_nodes) == (10, 10)
