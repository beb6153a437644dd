"""Bad EdgeModels: each is refused by the API server in words that name the field and a good value."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lab.home import REPOSITORY
from tests.apiserver.kubectl import Kubectl

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

DIGEST = "sha256:" + "a" * 64
CLOUD = "https://cloud.example/v2/models/digits"

Body = dict[str, Any]


@pytest.fixture(scope="module")
def sample() -> Body:
    """The sample of the manifests, as data: what each case breaks in one place."""
    body: Body = yaml.safe_load((REPOSITORY / "manifests" / "samples" / "digits.yaml").read_text())
    return body


def put(path: str, value: object) -> Callable[[Body], None]:
    """Sets the field at `path` (dots, numbers for items) of a body's spec; None removes it."""

    def change(body: Body) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        node: Any = body["spec"]
        for part in parents:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
        if value is None:
            del node[last]
        else:
            node[last] = value

    return change


def rename(name: str) -> Callable[[Body], None]:
    """Gives the body another name."""
    return lambda body: body["metadata"].update(name=name)


REFUSED: dict[str, tuple[Callable[[Body], None], str, str]] = {
    "digest too short": (
        put("versions.0.digest", "sha256:abc"),
        "spec.versions[0].digest",
        "want sha256: and 64 lower-case hexadecimal digits",
    ),
    "digest of another algorithm": (
        put("versions.0.digest", "sha512:" + "a" * 64),
        "spec.versions[0].digest",
        "want sha256: and 64",
    ),
    "no digest": (put("versions.0.digest", None), "spec.versions[0].digest", "Required value"),
    "address without scheme": (
        put("versions.0.uri", "registry:5000/digits"),
        "spec.versions[0].uri",
        "want an address such as oci://registry.example:5000/digits",
    ),
    "no versions": (
        put("versions", []),
        "spec.versions",
        "should have at least 1 items",
    ),
    "two versions of one name": (
        put("versions", [{"name": "v1", "uri": "oci://r/m", "digest": DIGEST}] * 2),
        "spec.versions[1]",
        'Duplicate value: {"name":"v1"}',
    ),
    "version name that is no label": (
        put("versions.0.name", "v 1"),
        "spec.versions[0].name",
        "want letters, digits",
    ),
    "unknown version": (
        put("version", "v9"),
        "spec.version",
        "want the name of one of spec.versions, for example v1, got v9",
    ),
    "unknown backup": (
        put("backup", "v9"),
        "spec.backup",
        "want the name of one of spec.versions, for example v1, got v9",
    ),
    "backup that is the wish": (put("backup", "v1"), "spec.backup", "want another version"),
    "unknown metric": (
        put("health.rules.0.metric", "latency"),
        "spec.health.rules[0].metric",
        'Unsupported value: "latency": supported values: "inference_latency_ms"',
    ),
    "unknown operator": (
        put("health.rules.0.operator", "=="),
        "spec.health.rules[0].operator",
        'Unsupported value: "==": supported values: ">", ">="',
    ),
    "threshold that is text": (
        put("health.rules.2.threshold", "high"),
        "spec.health.rules[2].threshold",
        "Invalid value",
    ),
    "trend over two samples": (
        put("health.rules.2.window", 2),
        "spec.health.rules[2].window",
        "want 3 or more for a trend, for example 30",
    ),
    "change rate over one sample": (
        lambda body: body["spec"]["health"]["rules"][0].update(operator="change_rate", window=1),
        "spec.health.rules[0].window",
        "want 2 or more for change_rate, for example 10",
    ),
    "window without end": (
        put("health.rules.0.window", 1001),
        "spec.health.rules[0].window",
        "1001: spec.health.rules[0].window in body should be less than or equal to 1000",
    ),
    "interval too short": (
        put("health.interval", "500ms"),
        "spec.health.interval",
        "want a duration of 1s to 1h, for example 10s",
    ),
    "interval that is a number": (put("health.interval", 10), "spec.health.interval", "Invalid value"),
    "webhook without an address": (
        put("healing.strategies.0.actions.0", {"type": "Webhook"}),
        "spec.healing.strategies[0].actions[0]",
        "want webhook, with url and secret, with type Webhook and with no other",
    ),
    "webhook with a login in its address": (
        put(
            "healing.strategies.0.actions.0",
            {"type": "Webhook", "webhook": {"url": "https://me:pw@host/x", "secret": {"name": "reboot"}}},
        ),
        "spec.healing.strategies[0].actions[0].webhook.url",
        "want http:// or https://, a host, and no login or fragment, for example https://host.example/heal",
    ),
    "approval of nothing known": (
        put("healing.approval", "Sometimes"),
        "spec.healing.approval",
        'Unsupported value: "Sometimes": supported values: "Never", "BeforeRedistill"',
    ),
    "share of more than all nodes": (
        put("healing.fleetGuard", {"maxConcurrent": "101%"}),
        "spec.healing.fleetGuard.maxConcurrent",
        'want a number of nodes or a percentage, for example 1 or "50%"',
    ),
    "duration without unit": (
        put("healing.settle", "60"),
        "spec.healing.settle",
        "want a duration of 0s to 24h, for example 10s",
    ),
    "fault without rule": (
        put("healing.strategies.0.faults", ["hot"]),
        "spec.healing.strategies",
        "want only names of rules in spec.health.rules as faults",
    ),
    "unknown action": (
        put("healing.strategies.0.actions", [{"type": "Reboot"}]),
        "spec.healing.strategies[0].actions[0].type",
        'Unsupported value: "Reboot": supported values: "SwitchModel"',
    ),
    "re-distillation that is not set up": (
        put("distillation", None),
        "spec.distillation",
        "want teacher, dataset and push: spec.healing has the action Redistill",
    ),
    "waiting for samples that nobody keeps": (put("serving.samples", None), "spec.serving.samples", "want a sink"),
    "epochs of a restart": (
        put("healing.strategies.0.actions.1.epochs", 3),
        "spec.healing.strategies[0].actions[1]",
        "want samples and epochs only with type Redistill",
    ),
    "a student that nobody has": (
        put("distillation.student", {"architecture": "elephant"}),
        "spec.distillation.student.architecture",
        "module:callable, for example my_nets:my_net",
    ),
    "no teacher": (put("distillation.teacher", None), "spec.distillation.teacher", "Required value"),
    "temperature of zero": (
        put("distillation.temperature", 0),
        "spec.distillation.temperature",
        "should be greater than 0",
    ),
    "pushing to a folder": (
        put("distillation.push", "file:///tmp/x"),
        "spec.distillation.push",
        "want an address such as oci://",
    ),
    "trusted key of another kind": (
        put("registry.trustedKeys", ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"]),
        "spec.registry.trustedKeys[0]",
        "want an Ed25519 public key in one line",
    ),
    "trusted keys, and nothing to sign students with": (
        put("registry.trustedKeys", ["MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="]),
        "spec.distillation.signingSecret",
        "want a Secret with a private key, for example name: signing-key",
    ),
    "trusted keys, and none": (put("registry.trustedKeys", []), "spec.registry.trustedKeys", "at least 1 items"),
    "size of no unit that exists": (
        put("serving.cacheSize", "100 MB"),
        "spec.serving.cacheSize",
        "want a size above zero, for example 100Mi",
    ),
    "size of zero": (
        put("serving.cacheSize", "0"),
        "spec.serving.cacheSize",
        "want a size above zero, for example 100Mi",
    ),
    "replicas of every node": (
        put("placement.replicas", 2),
        "spec.placement.replicas",
        "want no replicas with mode EveryNode",
    ),
    "replicas mode without a number": (
        put("placement.mode", "Replicas"),
        "spec.placement.replicas",
        "want a number with mode Replicas, for example 2",
    ),
    "memory that is a word": (
        put("placement.resources.limits.memory", "much"),
        "spec.placement.resources.limits[memory]",
        "want an amount, for example 500m or 512Mi",
    ),
    "step of no node": (
        put("rollout.steps.0.nodes", 0),
        "spec.rollout.steps[0].nodes",
        "want a number of nodes or a percentage, for example 1 or",
    ),
    "step of more than all": (
        put("rollout.steps.0.nodes", "101%"),
        "spec.rollout.steps[0].nodes",
        "want a number of nodes or a percentage, for example 1 or",
    ),
    "one claim for data and checkpoints": (
        lambda body: body["spec"]["distillation"].update(volume={"claim": "disk"}, checkpoints={"claim": "disk"}),
        "spec.distillation.checkpoints.claim",
        "want another claim than that of spec.distillation.volume, which is read-only",
    ),
    "claim without a name": (
        put("distillation.checkpoints", {}),
        "spec.distillation.checkpoints.claim",
        "Required value",
    ),
    "cloud over plain http": (
        put("cloud.url", "http://cloud.example/v2/models/digits"),
        "spec.cloud.url",
        "plain http only for localhost and Services of the cluster, such as http://big.plant-a.svc/v2/models/digits",
    ),
    "cloud that is sure of nothing": (
        put("cloud", {"url": CLOUD, "threshold": 0}),
        "spec.cloud.threshold",
        "should be greater than 0",
    ),
    "cloud that nobody can wait for": (
        put("cloud", {"url": CLOUD, "timeout": "1m"}),
        "spec.cloud.timeout",
        "want a duration of 10ms to 10s, for example 200ms",
    ),
    "rule on a cloud that is not there": (
        put("health.rules.0.metric", "cloud_ratio"),
        "spec",
        "spec.cloud: want url, for example https://cloud.example/v2/models/digits",
    ),
    "other version for a fault of the cloud": (
        lambda body: (put("cloud.url", CLOUD)(body), put("health.rules.0.metric", "cloud_ratio")(body)),
        "spec.healing.strategies",
        "want only Webhook and Alert for a fault on cloud_ratio",
    ),
    "misspelled field": (put("helth", {}), "spec.helth", "unknown field"),
    "name too long for children": (
        rename("a" * 53),
        "metadata.name",
        "want at most 52 characters, for example digits",
    ),
    "name that no Service can have": (
        rename("digits.v2"),
        "metadata.name",
        "want a letter, then lower-case letters, digits and '-', for example digits",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_words_that_name_the_field_and_what_would_be_right(
    kubectl: Kubectl, sample: Body, case: str
) -> None:
    change, field, words = REFUSED[case]
    body = copy.deepcopy(sample)
    change(body)
    answer = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    assert answer.returncode != 0
    assert any(field in line and words in line for line in answer.stderr.splitlines()), answer.stderr
