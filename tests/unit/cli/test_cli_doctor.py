"""What ``edgemodel doctor`` finds: one healthy cluster, one thing wrong with it, one line that says so."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from edgemodel_cli.diagnosis import Finding, Level
from edgemodel_cli.doctor import examine, print_sections
from edgemodel_cli.doctor_cluster import READS
from edgemodel_cli.doctor_facts import Facts, Installation, ModelFacts, Unknown
from edgemodel_cli.seen import Seen
from tests.unit.cli.digits_status import BLAMED, HEALTHY, condition

Body = dict[str, Any]
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
METRICS = 'edgemodel_operator_signal_reads_total{outcome="ok"} 40.0\n'


def deployment(namespaces: str = "", prometheus: str = "", **status: Any) -> Body:
    env = [
        {"name": "OPERATOR_NAMESPACES", "value": namespaces},
        {"name": "OPERATOR_PROMETHEUS_URL", "value": prometheus},
    ]
    volumes = [{"name": "webhook", "secret": {"secretName": "operator-webhook"}}]
    return {
        "metadata": {"name": "operator", "namespace": "system", "labels": {"app.kubernetes.io/version": "0.1.0"}},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"env": env}], "volumes": volumes}}},
        "status": {"readyReplicas": 1, **status},
    }


def pod(name: str = "digits-x", revision: str = "3", **status: Any) -> Body:
    metadata = {"name": name, "namespace": "plant-a", "annotations": {"edgemodel.dev/wish-revision": revision}}
    return {"metadata": metadata, "status": READY | status}


def waiting(reason: str, message: str = "") -> list[Body]:
    return [{"state": {"waiting": {"reason": reason, "message": message}}}]


def node(name: str = "edge-1", **fields: Any) -> Body:
    return {"metadata": {"name": name, "labels": {"edge": "yes"}}, "spec": {}, "status": READY} | fields


SPEC = {
    "version": "v1",
    "placement": {"nodeSelector": {"edge": "yes"}},
    "health": {"rules": [{"name": "slow"}]},
    "healing": {"strategies": [{"faults": ["slow"], "actions": [{"type": "SwitchModel"}]}]},
}
STATUS = HEALTHY["status"] | {
    "observedGeneration": 1,
    "wishRevision": 3,
    "conditions": [condition("Ready", "True", "Serving"), condition("TelemetryFresh", "True", "Fresh")],
}
BODY = {"metadata": HEALTHY["metadata"] | {"generation": 1}, "spec": SPEC, "status": STATUS}
INSTALLATION = Installation(deployment=deployment(), pods=[pod("operator-x")], events=[], metrics=METRICS, secret=True)
MODEL = ModelFacts(
    model=Seen(BODY),
    workload={
        "kind": "DaemonSet",
        "metadata": {"name": "digits"},
        "spec": {},
        "status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3},
    },
    pods=[pod()],
    events=[],
    needs={"Secret login": True},
)
CRD: Body = {
    "spec": {
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "schema": {"openAPIV3Schema": {"properties": {"status": {"properties": dict.fromkeys(READS)}}}},
            }
        ]
    },
    "status": {"conditions": [{"type": "Established", "status": "True"}]},
}
FACTS = Facts(
    namespace="plant-a",
    version={"gitVersion": "v1.36.0"},
    skew=0.2,
    rights=dict.fromkeys(("list edgemodels", "watch edgemodels", "patch edgemodels", "list pods"), True),
    crd=CRD,
    installations=[INSTALLATION],
    nodes=[node()],
    models=[MODEL],
)


def bad(facts: Facts) -> list[Finding]:
    return [finding for _, found in examine(facts) for finding in found if finding.level is not Level.OK]


def with_model(**changes: Any) -> Facts:
    return replace(FACTS, models=[replace(MODEL, **changes)])


def with_body(spec: Body | None = None, **status: Any) -> Facts:
    return with_model(model=Seen(BODY | {"spec": SPEC | (spec or {}), "status": STATUS | status}))


def with_installation(**changes: Any) -> Facts:
    return replace(FACTS, installations=[replace(INSTALLATION, **changes)])


def test_without_the_clouds_token_pods_serve_and_a_person_is_told() -> None:
    cloud = {"cloud": {"url": "https://cloud.example/v2/models/digits", "tokenSecret": {"name": "cloud-token"}}}
    facts = replace(with_body(cloud), models=[replace(with_body(cloud).models[0], needs={"Secret cloud-token": False})])
    (finding,) = bad(facts)
    assert (finding.level.value, "the edge answers without the cloud" in finding.message) == ("warn", True)


def test_where_all_is_well_every_line_is_ok() -> None:
    assert bad(FACTS) == []


@pytest.mark.parametrize(
    ("facts", "level", "check", "words"),
    [
        (replace(FACTS, skew=-12.0), "warn", "clock", "12 s behind"),
        (replace(FACTS, skew=900.0), "fail", "clock", "900 s ahead"),
        (replace(FACTS, rights=FACTS.rights | {"list edgemodels": False}), "fail", "your rights", "list edgemodels"),
        (replace(FACTS, rights=FACTS.rights | {"patch edgemodels": False}), "warn", "your rights", "refused"),
        (replace(FACTS, rights=FACTS.rights | {"list pods": False}), "warn", "your rights", "list pods"),
        (replace(FACTS, crd=None), "fail", "crd", "does not know EdgeModels"),
        (replace(FACTS, crd=Unknown("forbidden")), "warn", "crd", "forbidden"),
        (replace(FACTS, crd=CRD | {"status": {}}), "fail", "crd", "not established"),
        (replace(FACTS, installations=[]), "fail", "operator", "no Deployment"),
        (replace(FACTS, installations=Unknown("forbidden")), "warn", "operator", "forbidden"),
        (replace(FACTS, installations=[INSTALLATION] * 2), "fail", "operator", "watch the same namespace"),
        (with_installation(deployment=deployment("plant-b")), "fail", "operator", "no operator watches"),
        (with_installation(deployment=deployment(readyReplicas=0)), "fail", "operator", "is not ready"),
        (
            with_installation(pods=[pod(containerStatuses=waiting("ImagePullBackOff", "no such image"))]),
            "fail",
            "operator",
            "ImagePullBackOff: no such image",
        ),
        (with_installation(secret=False), "fail", "webhook", "operator-webhook is not there"),
        (
            with_installation(
                deployment=deployment(prometheus="http://prometheus:9090"), metrics=METRICS.replace("ok", "error")
            ),
            "fail",
            "signals",
            "Prometheus at http://prometheus:9090 never answered",
        ),
        (with_installation(metrics=Unknown("no route")), "warn", "signals", "no route"),
        (replace(FACTS, models=[]), "warn", "edgemodels", "none in namespace plant-a"),
        (replace(FACTS, models=Unknown("forbidden")), "fail", "edgemodels", "forbidden"),
        (with_body(observedGeneration=-1), "fail", "observed", "no operator"),
        (with_body(observedGeneration=0), "warn", "observed", "generation 0 of 1"),
        (with_body(conditions=[condition("Paused", "True", "PausedByPerson")]), "warn", "paused", "nothing is decided"),
        (with_body(conditions=BLAMED["status"]["conditions"]), "fail", "stalled", "v2 is Quarantined"),
        (with_body(conditions=[condition("TelemetryFresh", "False", "Stale")]), "warn", "telemetry", "Stale"),
        (with_body(approvals=[{"subject": "slow", "message": "train?"}]), "warn", "approval", "slow: train?"),
        (
            with_body(nodes={"exceptions": [{"name": "edge-3", "version": "v0", "reason": "Unreachable"}]}),
            "warn",
            "exceptions",
            "v0 (Unreachable) on edge-3",
        ),
        (with_body({"health": {"rules": []}}), "warn", "rules", "no fault will ever be found"),
        (with_body({"healing": {}}), "warn", "rules", "no strategy names slow"),
        (replace(FACTS, nodes=[]), "fail", "nodes", "no node has the labels"),
        (replace(FACTS, nodes=[node(status={})]), "warn", "nodes", "1 of 1 are not ready: edge-1"),
        (
            replace(FACTS, nodes=[node(spec={"taints": [{"key": "plant", "value": "x", "effect": "NoSchedule"}]})]),
            "warn",
            "nodes",
            "taint plant=x:NoSchedule is not tolerated",
        ),
        (with_model(needs={"Secret login": False}), "fail", "references", "Secret login is not there"),
        (
            with_model(needs={"PersistentVolumeClaim disk": False}),
            "fail",
            "references",
            "PersistentVolumeClaim disk is not there",
        ),
        (with_model(workload=None), "fail", "workload", "no DaemonSet or Deployment"),
        (
            with_model(
                workload=MODEL.workload | {"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1}}  # type: ignore[operator]  # a dict
            ),
            "warn",
            "workload",
            "2 of 3 pods are of an earlier template",
        ),
        (with_model(pods=[pod(revision="2")]), "warn", "pods", "not told of wish 3 yet: digits-x"),
        (with_model(pods=[pod(containerStatuses=waiting("CrashLoopBackOff"))]), "fail", "pods", "CrashLoopBackOff"),
        (
            with_model(
                pods=[pod(containerStatuses=waiting("ContainerCreating"))],
                events=[{"involvedObject": {"name": "digits-x"}, "reason": "FailedMount", "message": "no such secret"}],
            ),
            "fail",
            "pods",
            "digits-x cannot start: no such secret",
        ),
        (
            with_model(pods=[pod(containerStatuses=[{"lastState": {"terminated": {"reason": "OOMKilled"}}}])]),
            "warn",
            "pods",
            "ran out of memory",
        ),
        (
            with_model(
                pods=[pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}])]
            ),
            "fail",
            "pods",
            "has no node: Insufficient memory",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_its_reason(facts: Facts, level: str, check: str, words: str) -> None:
    found = [(finding.level, finding.check) for finding in bad(facts) if words in finding.message]
    assert found == [(level, check)], bad(facts)


def test_an_older_crd_names_the_fields_that_it_lacks() -> None:
    (version,) = CRD["spec"]["versions"]
    fields = {name: None for name in READS if name != "approvals"}
    schema = {"openAPIV3Schema": {"properties": {"status": {"properties": fields}}}}
    (finding,) = bad(replace(FACTS, crd=CRD | {"spec": {"versions": [version | {"schema": schema}]}}))
    assert finding.message == "older than this command: it lacks status.approvals"


@pytest.mark.parametrize(
    "toleration", [{"operator": "Exists"}, {"key": "plant", "operator": "Equal", "value": "x", "effect": "NoSchedule"}]
)
def test_a_taint_that_is_tolerated_is_no_matter(toleration: Body) -> None:
    tainted = node(spec={"taints": [{"key": "plant", "value": "x", "effect": "NoSchedule"}]})
    placement = {"placement": SPEC["placement"] | {"tolerations": [toleration]}}  # type: ignore[operator]  # a dict
    assert bad(replace(with_body(placement), nodes=[tainted])) == []


def test_a_wrong_line_has_the_next_command_and_fits_80_columns() -> None:
    lines = shown(with_body({"version": "v2"}, conditions=BLAMED["status"]["conditions"]))
    assert "→ edgemodel clear-quarantine digits v2 -n plant-a" in map(str.strip, lines)
    assert max(map(len, lines)) <= 80


def test_nobody_writes_to_the_terminal_through_a_message() -> None:
    hostile = with_model(pods=[pod(containerStatuses=waiting("Bad", "\x1b[2J[red]x"))])
    text = "\n".join(shown(hostile))
    assert "\x1b" not in text
    assert "[red]x" in text


def shown(facts: Facts) -> Sequence[str]:
    stream = io.StringIO()
    print_sections(Console(file=stream, width=80, highlight=False, markup=False), list(examine(facts)))
    return [line.rstrip() for line in stream.getvalue().splitlines()]
