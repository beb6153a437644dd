"""What holds whatever happens: crashes, weather of all kinds, inputs in any order. `World` checks each plan."""

import itertools
import random
from collections.abc import Callable

import pytest

from edgemodel_operator.decide import decide
from tests.unit.operator.world import IMAGES, Mishap, World, digest, student
from tests.unit.operator.world_checks import assert_order_is_irrelevant


def install(world: World) -> None:
    world.until(lambda w: w.status.last_good == "v1")


def good_version(world: World) -> None:
    install(world)
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")


def bad_version(world: World) -> None:
    install(world)
    world.script.bad[digest(2)] = "low-confidence"
    world.wish_for("v2")
    world.until(lambda w: any(heal.verdict for heal in w.status.heals))
    world.run(60)


def fleet_turns_bad(world: World) -> None:
    good_version(world)
    world.script.bad[digest(2)] = "low-confidence"
    world.until(lambda w: any(heal.verdict for heal in w.status.heals))
    world.run(60)


def drift(world: World) -> None:
    install(world)
    world.script.drift, world.script.robust = "low-confidence", {student(1)}
    world.until(lambda w: w.status.last_good == "distilled-1", within=900)
    world.run(60)


SCENARIOS = (install, good_version, bad_version, fleet_turns_bad, drift)


def end_of(world: World) -> tuple[object, ...]:
    """What people would call the outcome."""
    states = {version.name: (version.state, version.reason) for version in world.status.versions}
    heals = [(heal.fault, heal.action, heal.verdict) for heal in world.status.heals]
    return world.status.version, world.serving(), states, heals, world.jobs, world.status.last_good


@pytest.mark.parametrize(
    "scenario",
    [install, bad_version, *(pytest.param(s, marks=pytest.mark.long) for s in (good_version, fleet_turns_bad, drift))],
)
def test_an_operator_killed_before_or_after_any_write_comes_to_the_same_end(scenario: Callable[[World], None]) -> None:
    whole = World(size=2)
    scenario(whole)
    for number, when in itertools.product(range(whole.api.calls), (Mishap.KILL_BEFORE, Mishap.KILL_AFTER)):
        world = World(size=2)
        world.mishap(when, after=number)
        scenario(world)
        assert end_of(world) == end_of(whole), f"{when.name} write {number}"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_deciding_does_not_depend_on_the_order_of_what_is_seen(scenario: Callable[[World], None]) -> None:
    world = World()
    scenario(world)
    for observation in world.audited:
        assert_order_is_irrelevant(observation)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_memory_is_written_before_what_follows_from_it(scenario: Callable[[World], None]) -> None:
    world = World()
    scenario(world)
    for observation in world.audited:
        names = [type(action).__name__ for action in decide(observation, IMAGES).actions]
        assert "WriteStatus" not in names[1:]


@pytest.mark.parametrize("seed", range(8))
def test_when_the_weather_calms_down_the_fleet_serves_what_the_status_says(seed: int) -> None:
    weather = random.Random(seed)  # noqa: S311 (a simulation)
    world = World(size=weather.randint(1, 5))
    for _ in range(80):
        if weather.random() < 0.25:
            weather.choice(CHANGES)(world, weather)
        world.step()
    calm(world)
    world.run(900)
    written = world.writes
    world.run(120)
    assert world.writes == written, "something is still written at rest"
    for edge in world.edges.values():
        assert (edge.active and edge.active.digest) == world.status.digest or world.status.digest in edge.refused


def calm(world: World) -> None:
    """Faults stop."""
    world.script.bad.clear()
    world.script.broken.clear()
    world.script.sick.clear()
    world.script.drift, world.script.telemetry, world.script.requests = "", True, 10
    for edge in world.edges.values():
        edge.linked = True


def _bad(world: World, weather: random.Random) -> None:
    fault = weather.choice(["low-confidence", "high-latency"])
    world.script.bad = {digest(weather.randint(2, 3)): fault} if weather.random() < 0.7 else {}


def _broken(world: World, weather: random.Random) -> None:
    world.script.broken = {digest(weather.randint(2, 3)): "NotOnnx"} if weather.random() < 0.5 else {}


def _drift(world: World, weather: random.Random) -> None:
    world.script.drift = weather.choice(["", "low-confidence", "high-latency"])
    world.script.robust = {student(1)} if weather.random() < 0.5 else set()


def _sick(world: World, weather: random.Random) -> None:
    world.script.sick = {weather.choice(list(world.edges)): "high-latency"} if weather.random() < 0.6 else {}


def _telemetry(world: World, weather: random.Random) -> None:
    world.script.telemetry = weather.random() < 0.6


def _traffic(world: World, weather: random.Random) -> None:
    world.script.requests = weather.choice([0, 10, 40])


def _link(world: World, weather: random.Random) -> None:
    edge = world.edges[weather.choice(list(world.edges))]
    edge.linked = not edge.linked


def _wish(world: World, weather: random.Random) -> None:
    wanted = weather.choice(["v1", "v2", "v3"])
    backup = weather.choice([None, *{"v1", "v2", "v3"} - {wanted}])
    world.edit(lambda spec: spec.update(version=wanted, backup=backup))


def _mishap(world: World, weather: random.Random) -> None:
    world.mishap(weather.choice(list(Mishap)), after=weather.randint(0, 3))


def _child(world: World, weather: random.Random) -> None:
    kind = weather.choice(["ConfigMap", "DaemonSet", "Service", "Job"])
    for name in [name for k, name in world.objects if k == kind]:
        world.remove(kind, name)


def _local(world: World, weather: random.Random) -> None:
    world.script.heal_locally = weather.random() < 0.5


def _node(world: World, weather: random.Random) -> None:
    world.add_node(f"n{len(world.edges) + 1}")


def _outcome(world: World, weather: random.Random) -> None:
    world.script.outcomes = {attempt: None for attempt in range(10) if weather.random() < 0.5}


CHANGES: tuple[Callable[[World, random.Random], None], ...] = (
    _bad,
    _broken,
    _drift,
    _sick,
    _telemetry,
    _traffic,
    _link,
    _wish,
    _wish,
    _mishap,
    _child,
    _local,
    _node,
    _outcome,
)
