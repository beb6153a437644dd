"""Reading an EdgeModel: what parses, and how each problem is named."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from edgemodel.distillation import GateSettings
from edgemodel.ladder import ActionType
from edgemodel_operator.api.delivery import Gates
from edgemodel_operator.api.reasons import ConditionType
from edgemodel_operator.api.resource import EdgeModel, parse
from edgemodel_operator.api.spec import Spec
from edgemodel_operator.api.states import Blame
from edgemodel_operator.api.status import Condition, FaultStatus, HealRecord, NodesStatus, Status
from edgemodel_operator.errors import ApiError

DIGEST = "sha256:" + "a" * 64
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Body = dict[str, Any]

BODY: Body = {
    "apiVersion": "edgemodel.dev/v1alpha1",
    "kind": "EdgeModel",
    "metadata": {
        "name": "digits",
        "namespace": "plant-a",
        "uid": "u-1",
        "generation": 3,
        "annotations": {"edgemodel.dev/pause": "1"},
        "resourceVersion": "17",
    },
    "spec": {
        "versions": [
            {"name": "v1", "uri": "oci://registry:5000/digits", "digest": DIGEST},
            {"name": "v2", "uri": "oci://registry:5000/digits", "digest": DIGEST},
        ],
        "version": "v2",
        "backup": "v1",
        "serving": {"samples": {"sink": "oci://registry:5000/samples"}},
        "health": {"rules": [{"name": "slow", "metric": "inference_latency_ms", "operator": ">", "threshold": 100}]},
        "healing": {"strategies": [{"faults": ["slow"], "actions": [{"type": "SwitchModel", "delay": "2s"}]}]},
    },
}


CLOUD = "https://cloud.example/v2/models/digits"
CLOUDY = {"name": "cloudy", "metric": "cloud_ratio", "operator": ">", "threshold": 0.5}


def changed(change: Callable[[Body], object]) -> Body:
    body = copy.deepcopy(BODY)
    change(body)
    return body


def test_identity_wish_and_memory_are_read() -> None:
    model = parse(BODY)
    assert (model.name, model.namespace, model.uid, model.generation) == ("digits", "plant-a", "u-1", 3)
    assert model.annotations == {"edgemodel.dev/pause": "1"}
    assert model.spec.healing.strategies[0].actions[0].type is ActionType.SWITCH_MODEL
    assert model.status == Status()
    assert not model.deleting


def test_durations_are_seconds_and_sizes_bytes_in_python() -> None:
    spec = parse(BODY).spec
    assert spec.healing.strategies[0].actions[0].delay == 2.0
    assert spec.rollout.progress_deadline == 600.0
    assert spec.serving.cache_size == 100 << 20


def test_a_deleted_object_is_known_as_such() -> None:
    body = changed(lambda b: b["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert parse(body).deleting


def test_fields_of_a_newer_version_are_no_obstacle() -> None:
    assert parse(changed(lambda b: b["spec"].update(orbit={"url": "https://moon"}))).spec == parse(BODY).spec


KEY = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
_SOURCE = {"uri": "oci://r/m", "digest": DIGEST}
DISTILLATION = {"teacher": _SOURCE, "dataset": _SOURCE, "push": "oci://r/m"}

PROBLEMS: dict[str, tuple[Callable[[Body], object], str]] = {
    "no spec": (lambda b: b.pop("spec"), "spec.versions: want a value, got none"),
    "no name": (lambda b: b["metadata"].pop("name"), "metadata.name: want a value, got none"),
    "text as threshold": (
        lambda b: b["spec"]["health"]["rules"][0].update(threshold="x"),
        "spec.health.rules[0].threshold: Input should be a valid number, unable to parse string as a number, got 'x'",
    ),
    "short interval": (
        lambda b: b["spec"]["health"].update(interval="1ms"),
        "spec.health.interval: want a duration of 1s to 1h, for example 10s, got '1ms'",
    ),
    "strange size": (
        lambda b: b["spec"]["serving"].update(cacheSize="big"),
        "spec.serving.cacheSize: want a size above zero, for example 100Mi, got 'big'",
    ),
    "strange step": (
        lambda b: b["spec"].update(rollout={"steps": [{"nodes": "all"}]}),
        "spec.rollout.steps[0].nodes: want a number of nodes or a percentage, for example 1 or \"50%\", got 'all'",
    ),
    "cloud over plain http": (
        lambda b: b["spec"].update(cloud={"url": "http://cloud.example/v2/models/digits"}),
        "spec.cloud.url: String should match pattern",
    ),
    "cloud that nobody can wait for": (
        lambda b: b["spec"].update(cloud={"url": CLOUD, "timeout": "1m"}),
        "spec.cloud.timeout: want a duration of 10ms to 10s, for example 200ms, got '1m'",
    ),
    "rule on a cloud that is not there": (
        lambda b: b["spec"]["health"]["rules"].append(CLOUDY),
        "spec.cloud: want url and so on: a rule of spec.health watches cloud_ratio",
    ),
    "other version for a fault of the cloud": (
        lambda b: b["spec"].update(
            cloud={"url": CLOUD},
            health={"rules": [CLOUDY]},
            healing={"strategies": [{"faults": ["cloudy"], "actions": [{"type": "Alert"}, {"type": "SwitchModel"}]}]},
        ),
        "spec.healing.strategies[0].actions[1]: want Webhook or Alert for a fault of the cloud, got SwitchModel",
    ),
    "unknown version": (lambda b: b["spec"].update(version="v9"), "spec.version: want one of v1, v2, got 'v9'"),
    "unknown backup": (lambda b: b["spec"].update(backup="v9"), "spec.backup: want one of v1, v2, got 'v9'"),
    "backup that is the wish": (lambda b: b["spec"].update(backup="v2"), "spec.backup: want another version"),
    "a name twice": (
        lambda b: b["spec"]["versions"].append(b["spec"]["versions"][0]),
        "spec.versions[2].name: want a name of its own, got 'v1' twice",
    ),
    "a rule twice": (
        lambda b: b["spec"]["health"]["rules"].append(b["spec"]["health"]["rules"][0]),
        "spec.health.rules[1].name: want a name of its own, got 'slow' twice",
    ),
    "fault without rule": (
        lambda b: b["spec"]["health"].update(rules=[]),
        "spec.healing.strategies[0].faults[0]: want the name of a rule of spec.health, got 'slow'",
    ),
    "re-distillation not set up": (
        lambda b: b["spec"]["healing"]["strategies"][0].update(actions=[{"type": "Redistill"}]),
        "spec.healing.strategies[0].actions[0]: Redistill wants spec.distillation with teacher, dataset and push",
    ),
    "samples of a restart": (
        lambda b: b["spec"]["healing"]["strategies"][0].update(actions=[{"type": "Restart", "samples": 5}]),
        "spec.healing.strategies[0].actions[0]: samples and epochs belong to Redistill, got Restart",
    ),
    "samples that nobody keeps": (
        lambda b: (
            b["spec"].pop("serving"),
            b["spec"]["healing"]["strategies"][0].update(actions=[{"type": "Redistill", "samples": 5}]),
        ),
        "spec.healing.strategies[0].actions[0].samples: wants spec.serving.samples with a sink",
    ),
    "webhook without an address": (
        lambda b: b["spec"]["healing"]["strategies"][0].update(actions=[{"type": "Webhook"}]),
        "spec.healing.strategies[0].actions[0].webhook: want url and secret with type Webhook",
    ),
    "webhook of a restart": (
        lambda b: b["spec"]["healing"]["strategies"][0].update(
            actions=[{"type": "Restart", "webhook": {"url": "https://h/x", "secret": {"name": "s"}}}]
        ),
        "spec.healing.strategies[0].actions[0].webhook: belongs to Webhook, got Restart",
    ),
    "webhook with a login in its address": (
        lambda b: b["spec"]["healing"]["strategies"][0].update(
            actions=[{"type": "Webhook", "webhook": {"url": "https://me:pw@h/x", "secret": {"name": "s"}}}]
        ),
        "spec.healing.strategies[0].actions[0].webhook.url",
    ),
    "a share of more than all nodes": (
        lambda b: b["spec"]["healing"].update(fleetGuard={"minServing": "101%"}),
        "spec.healing.fleetGuard.minServing: want a number of nodes or a percentage, for example 1",
    ),
    "replicas of every node": (
        lambda b: b["spec"].update(placement={"replicas": 2}),
        "spec.placement.replicas: want none with mode EveryNode, got 2",
    ),
    "replicas mode without a number": (
        lambda b: b["spec"].update(placement={"mode": "Replicas"}),
        "spec.placement.replicas: want a number with mode Replicas, for example 2",
    ),
    "no key that students are signed with": (
        lambda b: b["spec"].update(registry={"trustedKeys": [KEY]}, distillation=DISTILLATION),
        "spec.distillation.signingSecret: want a Secret: spec.registry.trustedKeys lets nothing unsigned serve",
    ),
    "one claim for data and checkpoints": (
        lambda b: b["spec"].update(
            distillation=DISTILLATION | {"volume": {"claim": "training"}, "checkpoints": {"claim": "training"}}
        ),
        "spec.distillation.checkpoints.claim: want another claim than that of spec.distillation.volume",
    ),
    "a claim that is no name": (
        lambda b: b["spec"].update(distillation=DISTILLATION | {"checkpoints": {"claim": "My Disk"}}),
        "spec.distillation.checkpoints.claim: ",
    ),
    "a key that is none": (
        lambda b: b["spec"].update(registry={"trustedKeys": [KEY[:-2] + "B="]}),
        "spec.registry.trustedKeys[0]: ",
    ),
    "a student that nobody has": (
        lambda b: b["spec"].update(distillation={**DISTILLATION, "student": {"architecture": "elephant"}}),
        "spec.distillation.student.architecture: want mlp, tiny-cnn, separable, resnet8, resnet20, or the import path",
    ),
    "trusted keys, and none": (
        lambda b: b["spec"].update(registry={"trustedKeys": []}),
        "spec.registry.trustedKeys: ",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_problem_names_its_field(case: str) -> None:
    change, line = PROBLEMS[case]
    with pytest.raises(ApiError) as caught:
        parse(changed(change))
    assert any(said.startswith(line) for said in str(caught.value).splitlines()), str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    def change(body: Body) -> None:
        body["metadata"].pop("name")
        body["spec"].update(version="v9", backup="v8")

    with pytest.raises(ApiError) as caught:
        parse(changed(change))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "metadata.name",
        "spec.version",
        "spec.backup",
    ]


def test_a_specs_wire_form_is_read_back_as_the_same_spec() -> None:
    spec = parse(BODY).spec
    assert Spec.model_validate_json(spec.dump()) == spec


def test_gates_reach_the_jobs_order_in_bytes() -> None:
    assert Gates.model_validate({"maxSize": "1Mi", "minAccuracy": 0.8}).settings() == GateSettings(
        max_size=1 << 20, min_accuracy=0.8
    )


def status() -> Status:
    ready = Condition(type=ConditionType.READY, status="True", reason="Serving", last_transition_time=NOW)
    heal = HealRecord(at=NOW, fault="slow", action=ActionType.SWITCH_MODEL, from_="v2", to="v1")
    return Status(
        observed_generation=3,
        conditions=(ready,),
        digest=DIGEST,
        nodes=NodesStatus(desired=2, ready=1),
        heals=(heal,),
    )


def test_a_status_is_read_back_as_it_was_written() -> None:
    assert Status.model_validate_json(status().dump()) == status()


def test_columns_read_plain_strings_of_the_status() -> None:
    written = status().model_dump(by_alias=True, mode="json")
    assert written["nodes"]["summary"] == "1/2"
    assert written["shortDigest"] == "a" * 12
    assert written["heals"][0]["from"] == "v2"
    assert written["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_a_condition_is_found_by_its_type() -> None:
    assert status().condition(ConditionType.READY) is not None
    assert status().condition(ConditionType.HEALING) is None


def test_only_the_last_forty_heals_are_kept() -> None:
    heals = tuple(HealRecord(at=NOW, fault=f"f{i}", action=ActionType.RESTART) for i in range(50))
    assert [heal.fault for heal in Status(heals=heals).heals] == [f"f{i}" for i in range(10, 50)]


def test_a_long_message_is_cut_rather_than_refused() -> None:
    condition = Condition(type="Ready", status="True", reason="Serving", message="x" * 5000, last_transition_time=NOW)
    assert len(condition.message) == 1024


def test_a_fault_on_many_nodes_names_the_first_hundred() -> None:
    fault = FaultStatus(name="slow", since=NOW, blame=Blame.NODE, nodes=tuple(f"n{i:03}" for i in range(500)))
    assert fault.nodes == tuple(f"n{i:03}" for i in range(100))


def test_an_edgemodel_can_be_built_in_python_by_its_own_names() -> None:
    model = EdgeModel(name="digits", namespace="plant-a", spec=parse(BODY).spec)
    assert model.key == ("plant-a", "digits")
