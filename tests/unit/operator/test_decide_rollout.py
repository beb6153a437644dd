"""A new wish: canary first, judged, then everyone; or back, and never again by itself."""

import copy

import pytest

from edgemodel.ladder import Verdict
from edgemodel_operator.api.states import RolloutWait, VersionState
from tests.unit.operator.world import World, artifact, digest


@pytest.fixture(scope="module")
def settled() -> World:
    world = World()
    world.until(lambda w: w.status.last_good == "v1")
    return world


@pytest.fixture
def world(settled: World) -> World:
    """Four nodes on which v1 serves and was proved good."""
    return copy.deepcopy(settled)


def rolled_back(world: World) -> bool:
    return world.status.rollout is None and world.state("v2") is VersionState.QUARANTINED


def test_the_first_install_serves_everywhere_at_once() -> None:
    world = World()
    world.until(lambda w: w.condition("Ready") == ("True", "Serving"), within=60)
    assert world.serving() == {"v1"}
    assert world.status.nodes.summary == "4/4"


def test_a_name_that_comes_to_mean_another_artifact_may_be_as_long_as_names_may_be(world: World) -> None:
    name = f"release-{'x' * 42}-8"
    world.edit(lambda spec: spec.update(versions=[artifact(name, 7)], version=name))
    world.until(lambda w: w.status.version == name)
    world.edit(lambda spec: spec.update(versions=[artifact(name, 8)]))
    world.until(lambda w: w.status.digest == digest(8))
    assert world.status.version == name


@pytest.mark.shows("findings_nodes.ready")
def test_before_any_node_serves_the_model_is_not_ready() -> None:
    world = World()
    world.step()
    assert world.condition("Ready") == ("False", "NothingServes")


@pytest.mark.shows("findings_nodes.ready")
def test_without_a_matching_node_the_model_says_so() -> None:
    world = World(size=0)
    world.run(20)
    assert world.condition("Ready") == ("False", "NoNodes")


@pytest.mark.shows("versions.confirm", "versions.remember_last_good")
def test_a_version_that_answers_well_is_proved_good() -> None:
    world = World()
    world.until(lambda w: w.status.last_good == "v1", within=60)


@pytest.mark.shows("step._unjudged")
def test_a_canary_is_held_until_its_rules_have_a_verdict(world: World) -> None:
    world.edit(lambda spec: spec["health"].update(interval="10s"))
    world.script.heal_locally, world.script.verdicts = False, False
    world.script.bad[digest(2)] = "high-latency"
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    world.run(75)  # (window + triggerCount) × interval is 80 s, hold 20 s
    assert world.status.rollout is not None
    assert world.status.rollout.reason == RolloutWait.EVIDENCE
    world.script.verdicts = True
    world.until(lambda w: w.state("v2") is VersionState.QUARANTINED)
    assert sum("v2" in edge.served for edge in world.edges.values()) == 1


def test_a_version_is_not_proved_good_before_its_rules_have_a_verdict() -> None:
    world = World()
    world.edit(lambda spec: spec["health"].update(interval="10s"))
    world.script.bad[digest(1)], world.script.verdicts = "high-latency", False
    world.until(lambda w: w.condition("Ready") == ("True", "Serving"))
    world.run(75)  # (window + triggerCount) × interval is 80 s, settle 20 s
    world.script.verdicts = True
    world.until(lambda w: w.condition("Degraded") == ("True", "VersionBlamed"))
    assert world.status.last_good is None


def test_a_version_whose_rules_never_have_a_verdict_is_proved_good_once_they_could_have_fired() -> None:
    world = World()
    world.script.verdicts = False  # there is no such metric of this model
    world.until(lambda w: w.status.last_good == "v1", within=60)


def test_a_version_that_nobody_asks_is_not_proved_good() -> None:
    world = World()
    world.script.requests = 0
    world.run(600)
    assert world.status.last_good is None


def test_a_version_without_traffic_after_enough_requests_is_proved_when_it_has_settled() -> None:
    world = World()
    world.script.requests = 40
    world.until(lambda w: sum(edge.answered for edge in w.edges.values()) >= 50)
    world.script.requests = 0
    world.until(lambda w: w.status.last_good == "v1", within=60)


@pytest.mark.shows("rollout.advance", "findings.rolling_out")
def test_a_good_version_goes_to_a_canary_then_to_all(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v1", "v2"})
    assert [edge.name for edge in world.edges.values() if edge.served == ["v1", "v2"]] == ["n1"]
    world.until(lambda w: w.status.version == "v2")
    assert world.serving() == {"v2"}
    assert world.status.last_good == "v2"
    assert world.told("RolloutCompleted") == ["v2 serves on every node in sight (before: v1)"]


@pytest.mark.shows("step._holding")
def test_a_canary_is_held_for_as_long_as_the_user_wants(world: World) -> None:
    world.script.requests = 1000
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v1", "v2"})
    canary_since = world.now
    world.until(lambda w: w.serving() == {"v2"})
    assert (world.now - canary_since).total_seconds() >= 20


def test_every_wave_of_the_rollout_is_walked(world: World) -> None:
    steps = [{"nodes": 1, "hold": "10s"}, {"nodes": "75%", "hold": "10s"}]
    world.edit(lambda spec: spec["rollout"].update(steps=steps))
    world.wish_for("v2")
    sizes = set()
    while world.status.version != "v2":
        world.step()
        sizes.add(sum(edge.served[-1] == "v2" for edge in world.edges.values()))
    assert sizes == {0, 1, 3, 4}


def test_without_steps_a_version_goes_to_every_node_at_once(world: World) -> None:
    world.edit(lambda spec: spec["rollout"].update(steps=[]))
    world.wish_for("v2")
    world.until(lambda w: w.status.version == "v2")
    assert world.serving() == {"v2"}


def test_a_bad_version_never_leaves_the_canary(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.run(300)
    assert world.serving() == {"v1"}
    assert [edge.name for edge in world.edges.values() if "v2" in edge.served] == ["n1"]


def test_a_bad_version_is_quarantined_and_the_fault_named(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.run(60)
    found = world.status.find_version("v2")
    assert found is not None
    assert found.reason == "low-confidence"
    assert world.condition("Stalled") == ("True", "VersionQuarantined")
    assert world.condition("Degraded") == ("True", "BackupServing")
    assert world.status.heals[-1].verdict is Verdict.PROVED
    assert len(world.told("RolledBack")) == 1


@pytest.mark.shows("step._blamed")
def test_a_bad_version_is_taken_back_where_nodes_do_not_heal_themselves(world: World) -> None:
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "high-latency"
    world.wish_for("v2")
    world.until(rolled_back)
    world.until(lambda w: w.serving() == {"v1"})
    assert [edge.name for edge in world.edges.values() if "v2" in edge.served] == ["n1"]


def test_applying_the_same_spec_again_does_not_bring_a_quarantined_version_back(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.edit(lambda spec: spec)
    world.run(300)
    assert all(edge.served.count("v2") <= 1 for edge in world.edges.values())


def test_wishing_v1_and_then_the_quarantined_version_again_does_not_bring_it_back(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.wish_for("v1")
    world.run(60)
    world.wish_for("v2")
    world.run(300)
    assert world.serving() == {"v1"}
    assert world.condition("Stalled") == ("True", "VersionQuarantined")
    assert "v2 is Quarantined" in world.told("Quarantined")[0]


@pytest.mark.shows("versions.collect")
def test_the_quarantined_bytes_stay_out_under_another_name(world: World) -> None:
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.edit(lambda spec: spec["versions"].append(artifact("v4", 2)))
    world.wish_for("v4")
    world.run(300)
    assert all("v4" not in edge.served for edge in world.edges.values())


def test_the_quarantined_bytes_stay_out_after_their_name_was_given_to_others(world: World) -> None:
    world.script.heal_locally = False
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.edit(lambda spec: spec.update(version="v1", versions=[artifact("v1", 1)]))
    world.run(60)
    world.edit(lambda spec: spec.update(version="v2", versions=[artifact("v1", 1), artifact("v2", 5)]))
    world.until(lambda w: w.status.version == "v2")
    world.edit(lambda spec: spec["versions"].append(artifact("v6", 2)))
    world.wish_for("v6")
    world.run(300)
    assert {edge.active.digest for edge in world.edges.values() if edge.active} == {digest(5)}


def test_a_new_digest_under_a_new_name_is_rolled_out_after_a_quarantine(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.wish_for("v3")
    world.until(lambda w: w.serving() == {"v3"})
    world.until(lambda w: w.status.last_good == "v3")
    assert world.condition("Stalled") == ("", "")


def test_an_artifact_that_the_canary_refuses_is_rejected_and_the_old_version_serves(world: World) -> None:
    world.script.broken[digest(2)] = "NotOnnx"
    world.wish_for("v2")
    world.until(lambda w: w.state("v2") is VersionState.REJECTED)
    world.run(60)
    found = world.status.find_version("v2")
    assert found is not None
    assert found.reason == "NotOnnx"
    assert all(edge.served == ["v1"] for edge in world.edges.values())
    assert world.condition("Ready") == ("True", "Serving")


def test_a_first_version_that_every_node_refuses_is_named_as_what_stalls() -> None:
    world = World()
    world.script.broken[digest(1)] = "NotOnnx"
    world.run(60)
    assert world.condition("Ready") == ("False", "NothingServes")
    assert world.condition("Stalled") == ("True", "ArtifactRefused")
    stalled = world.status.condition("Stalled")
    assert stalled is not None
    assert "v1" in stalled.message
    assert "NotOnnx" in stalled.message


def test_a_first_version_that_is_refused_makes_way_for_a_better_one() -> None:
    world = World()
    world.script.broken[digest(1)] = "NotOnnx"
    world.run(60)
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v2"}, within=900)


@pytest.mark.shows("wish.follow_wish")
def test_a_new_wish_wins_over_a_rollout(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    world.wish_for("v3")
    world.until(lambda w: w.serving() == {"v3"})
    assert [edge.name for edge in world.edges.values() if "v2" in edge.served] == ["n1"]
    assert world.state("v2") is VersionState.AVAILABLE


def test_going_back_to_the_old_wish_ends_a_rollout(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    world.wish_for("v1")
    world.until(lambda w: w.serving() == {"v1"})
    world.run(300)
    assert world.status.rollout is None
    assert world.serving() == {"v1"}


def test_a_wish_for_a_barred_version_ends_a_rollout_that_nobody_wishes_any_more(world: World) -> None:
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(rolled_back)
    world.wish_for("v3")
    world.until(lambda w: "v3" in w.serving())
    world.wish_for("v2")
    world.until(lambda w: w.serving() == {"v1"})


@pytest.mark.shows("step._unproved")
def test_no_evidence_does_not_promote_a_canary(world: World) -> None:
    world.script.requests = 0
    world.wish_for("v2")
    world.run(1200)
    assert sum(edge.served[-1] == "v2" for edge in world.edges.values()) == 1
    assert world.status.version == "v1"


@pytest.mark.shows("findings.stalled")
def test_a_rollout_that_makes_no_progress_is_stalled_and_goes_on_when_it_can(world: World) -> None:
    world.script.requests = 0
    world.wish_for("v2")
    world.run(345)
    assert world.condition("Stalled") == ("True", "ProgressDeadlineExceeded")
    world.script.requests = 10
    world.until(lambda w: w.serving() == {"v2"})
    assert world.condition("Stalled") == ("", "")


@pytest.mark.shows("step._unseen")
def test_absent_telemetry_neither_promotes_nor_takes_back(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.serving())
    world.script.telemetry = False
    world.script.bad[digest(2)] = "low-confidence"
    world.script.heal_locally = False
    world.run(900)
    assert world.serving() == {"v1", "v2"}
    assert world.condition("TelemetryFresh") == ("False", "Absent")


def test_a_node_that_is_cut_off_does_not_block_a_rollout(world: World) -> None:
    world.edges["n4"].linked = False
    world.run(60)
    world.wish_for("v2")
    world.until(lambda w: w.status.version == "v2")
    assert world.edges["n4"].served == ["v1"]


@pytest.mark.shows("step._not_there")
def test_a_canary_that_is_cut_off_is_made_up_for_by_another(world: World) -> None:
    world.wish_for("v2")
    world.step()
    world.edges["n1"].linked = False
    world.until(lambda w: w.status.version == "v2")
    assert world.edges["n2"].served == ["v1", "v2"]


@pytest.mark.shows("findings_nodes.reconciling")
def test_a_node_that_comes_back_catches_up_with_the_newest_wish(world: World) -> None:
    world.edges["n4"].linked = False
    world.run(60)
    world.wish_for("v2")
    world.until(lambda w: w.status.version == "v2")
    world.wish_for("v3")
    world.until(lambda w: w.status.version == "v3")
    world.edges["n4"].linked = True
    world.until(lambda w: w.serving() == {"v3"}, within=60)
    assert world.edges["n4"].served == ["v1", "v3"]


def test_a_canary_that_was_cut_off_with_a_bad_version_learns_of_the_rollback(world: World) -> None:
    world.script.heal_locally = False
    world.wish_for("v2")
    world.until(lambda w: "v2" in w.edges["n1"].served)
    world.edges["n1"].linked = False
    world.script.bad[digest(2)] = "low-confidence"
    world.until(rolled_back)
    world.edges["n1"].linked = True
    world.until(lambda w: w.serving() == {"v1"}, within=60)


def test_a_new_node_gets_what_serves(world: World) -> None:
    world.wish_for("v2")
    world.until(lambda w: w.status.version == "v2")
    world.add_node("n5")
    world.until(lambda w: w.edges["n5"].served == ["v2"], within=60)


def test_the_same_artifact_under_another_name_moves_nothing(world: World) -> None:
    world.edit(lambda spec: spec["versions"].append(artifact("v1-again", 1)))
    world.wish_for("v1-again")
    world.run(120)
    assert all(edge.served == ["v1"] for edge in world.edges.values())
    assert world.condition("Ready") == ("True", "Serving")
