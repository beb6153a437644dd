"""What the Ready condition tells a person: who serves something else, and what a pod that does not start waits for."""

from typing import Any

import pytest

from edgemodel_operator.cluster.trim import trim_pod
from tests.unit.operator.world import KEY, World, digest

CA = "ConfigMap plant-ca of spec.registry.caBundle"
KEYS = {"trustedKeys": ["MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="]}
LOGIN = "Secret login of spec.registry.pullSecret"


def ready(world: World) -> str:
    found = world.status.condition("Ready")
    assert found is not None
    return found.message


def hold_up(world: World, reason: str) -> None:
    """The pod of n1 is made anew, and its container waits."""
    place = ("Pod", f"{KEY.name}-n1")
    status = {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"state": {"waiting": {"reason": reason}}}],
    }
    world.api.put(place, {**world.objects[place], "status": status})
    world.edges["n1"].linked = False  # or it would be told to be ready again
    world.operator.watches.deliver()
    world.settle()


def test_a_canary_is_not_counted_as_a_node_that_serves_the_old_version() -> None:
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    assert ready(world) == "v1 serves on 2 of 2 nodes"
    world.wish_for("v2")
    world.until(lambda w: w.edges["n1"].active is not None and w.edges["n1"].active.name == "v2")
    assert ready(world) == "v1 serves on 1 of 2 nodes; v2 on n1"


@pytest.mark.shows("report.conclude")
def test_a_node_that_fell_back_is_named() -> None:
    world = World(size=4)
    world.until(lambda w: w.status.last_good == "v1")
    world.wish_for("v2")
    world.until(lambda w: w.status.last_good == "v2")
    world.script.sick["n3"] = "low-confidence"
    world.until(lambda w: w.status.faults != ())
    assert ready(world) == "v2 serves on 3 of 4 nodes; v1 on n3"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("ImagePullBackOff", "n1 (ImagePullBackOff)"),
        ("ErrImagePull", "n1 (ImagePullBackOff)"),
        (
            "ContainerCreating",
            f"n1 (ContainerCreating; it needs {CA} and {LOGIN})",
        ),
    ],
)
def test_what_a_container_waits_for_is_named(reason: str, told: str) -> None:
    world = World(size=2)
    world.edit(
        lambda spec: spec.update(registry={"caBundle": {"configMap": "plant-ca"}, "pullSecret": {"name": "login"}})
    )
    world.until(lambda w: w.status.last_good == "v1")
    hold_up(world, reason)
    assert ready(world) == f"no verified version answers yet on: {told}"


def test_a_node_without_a_pod_is_told_so() -> None:
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    world.remove("Pod", f"{KEY.name}-n1")
    world.operator.watches.deliver()
    world.settle()
    assert ready(world) == "no verified version answers yet on: n1 (no pod there yet)"


def test_a_running_container_waits_for_nothing() -> None:
    running: dict[str, Any] = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"state": {"running": {}}}]}}
    assert trim_pod(running)["waiting"] == ""


@pytest.mark.shows("findings.stalled")
def test_why_an_artifact_is_refused_and_what_to_do_is_said_in_words() -> None:
    world = World(size=2)
    world.script.broken[digest(1)] = "TooLarge"
    world.until(lambda w: w.condition("Stalled") == ("True", "ArtifactRefused"))
    found = world.status.condition("Stalled")
    assert found is not None
    assert found.message.startswith("v1 is refused by n1, n2 (TooLarge: it is larger than a node may keep; ")
    assert "spec.serving.cacheSize" in found.message


@pytest.mark.shows("findings.stalled")
def test_an_artifact_that_no_node_can_fetch_is_named_and_taken_when_it_can() -> None:
    world = World(size=2)
    world.script.unreachable[digest(1)] = "Unreachable"
    world.until(lambda w: w.condition("Stalled") == ("True", "ArtifactUnreachable"))
    found = world.status.condition("Stalled")
    assert found is not None
    assert found.message.startswith("v1: oci://registry:5000/digits cannot be fetched by n1, n2 (Unreachable: ")
    world.script.unreachable.clear()
    world.until(lambda w: w.condition("Stalled") == ("", "") and w.serving() == {"v1"})


def trusting() -> World:
    """Two nodes that serve v1, which nobody signed, when trusted keys come."""
    world = World(size=2)
    world.until(lambda w: w.status.last_good == "v1")
    world.script.unsigned = {digest(1): "SignatureMissing", digest(2): "SignatureInvalid"}
    signing = {"signingSecret": {"name": "signing-key"}}
    world.edit(lambda spec: spec.update(registry=KEYS, distillation=spec["distillation"] | signing))
    world.until(lambda w: all(edge.pending is not None for edge in w.edges.values()))
    world.settle()
    return world


def test_what_served_before_there_were_trusted_keys_goes_on_and_is_named() -> None:
    world = trusting()
    assert world.condition("Ready") == ("True", "Serving")
    assert "it served before there were trusted keys, and goes on, on n1, n2 (SignatureMissing: " in ready(world)


@pytest.mark.shows("findings.stalled")
def test_a_version_that_no_trusted_key_signed_stands_still_until_one_did() -> None:
    world = trusting()
    world.wish_for("v2")
    world.until(lambda w: w.condition("Stalled") == ("True", "ArtifactRefused"))
    found = world.status.condition("Stalled")
    assert found is not None
    assert found.message.startswith("v2 is not taken by n1 (SignatureInvalid: none of its signatures is by a trusted")
    assert "edgemodel bundle sign" in found.message
    assert {edge.active.name for edge in world.edges.values() if edge.active is not None} == {"v1"}
    world.script.unsigned.clear()
    world.until(lambda w: w.status.last_good == "v2")
    assert world.status.condition("Stalled") is None
