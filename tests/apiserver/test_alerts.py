"""Alerts on a real API server: what was answered with 200 survives the operator's death, and one alert acts once."""

from pathlib import Path

import pytest

from tests.apiserver.alerting import alerting, firing
from tests.apiserver.operator_process import FakePod, Operator, wait_for
from tests.apiserver.space import V1, V2, Space, alert, at_rest, edgemodel, post

pytestmark = pytest.mark.apiserver


@pytest.fixture
def rolled_out(space: Space, pods: list[FakePod]) -> Space:
    """v2 is wished and answers on both nodes, v1 is its backup; the rules have no verdict; no operator runs yet."""
    serve(space, pods, V2)
    space.apply(edgemodel(version="v2", backup="v1"))
    return space


def serve(space: Space, pods: list[FakePod], version: dict[str, str]) -> None:
    for pod in pods:
        pod.serve("digits", space.name, version)


def updated(space: Space) -> bool:
    return bool(space.status()["nodes"]["updated"] == 2 and space.status()["observedGeneration"] > 0)


def rollbacks(space: Space) -> list[str]:
    events = space.kubectl.get("events.events.k8s.io", "-n", space.name)["items"]
    return [event["note"] for event in events if event["reason"] == "RolledBack"]


def default(space: Space) -> str:
    found = space.wish().default
    return found.active.name if found is not None else ""


def test_an_alert_survives_an_operator_that_is_killed_right_after_the_200(rolled_out: Space, stopped: Operator) -> None:
    stopped.start()
    wait_for("v2 serves", lambda: updated(rolled_out), say=lambda: stopped.log[-3000:])
    rolled_out.apply(edgemodel(version="v2", backup="v1", healing={"settle": "1s"}))  # nothing may be done about it yet
    wait_for("generation 2", lambda: rolled_out.status()["observedGeneration"] == 2)
    assert post(stopped, alert(rolled_out)) == 200
    stopped.kill()
    assert [entry["fingerprint"] for entry in rolled_out.status()["alerts"]] == ["f1"]
    rolled_out.apply(edgemodel(version="v2", backup="v1"))
    stopped.start()
    wait_for("the rollback", lambda: default(rolled_out) == "v1", say=lambda: stopped.log[-5000:])


def test_an_alert_that_is_told_again_late_and_out_of_order_rolls_back_once(
    rolled_out: Space, operator: Operator, pods: list[FakePod]
) -> None:
    wait_for("v2 serves", lambda: updated(rolled_out))
    assert post(operator, alert(rolled_out, truncated=7)) == 200
    wait_for("the rollback", lambda: default(rolled_out) == "v1", say=lambda: operator.log[-5000:])
    serve(rolled_out, pods, V1)
    for status in ("firing", "resolved", "firing", "resolved", "firing"):
        assert post(operator, alert(rolled_out, status=status)) == 200
    assert post(operator, alert(rolled_out, start="2025-12-31T00:00:00Z")) == 200
    wait_for(
        "Proved", lambda: rolled_out.status()["heals"][-1]["verdict"] == "Proved", say=lambda: operator.log[-5000:]
    )
    at_rest(rolled_out)
    assert len(rollbacks(rolled_out)) == len(rolled_out.status()["heals"]) == 1
    assert '"lacking": 7' in operator.log


def test_with_the_real_prometheus_and_alertmanager_an_alert_outlives_the_operator_that_was_told(
    rolled_out: Space, stopped: Operator, pods: list[FakePod], tmp_path: Path
) -> None:
    rolled_out.apply(edgemodel(version="v2", backup="v1", healing={"settle": "1s"}))  # nothing may be done about it yet
    for pod in pods:
        pod.revision = 99
    serve(rolled_out, pods, V2)
    labels = {"edgemodel": "digits", "namespace": rolled_out.name, "fault": "low-confidence"}
    with alerting(tmp_path, labels, stopped.webhook_port, pods) as prometheus:
        stopped.start(prometheus)
        wait_for("Prometheus fires", lambda: firing(prometheus) == 1)
        wait_for("Alertmanager tells", lambda: '"event": "alerts"' in stopped.log, say=lambda: stopped.log[-3000:])
        stopped.kill()
        rolled_out.apply(edgemodel(version="v2", backup="v1"))
        stopped.start(prometheus)
        wait_for("the rollback", lambda: default(rolled_out) == "v1", say=lambda: stopped.log[-5000:])
        serve(rolled_out, pods, V1)
        assert rolled_out.status().get("alerts", []) == []
        wait_for("it is acted upon once", lambda: not rolled_out.condition("Healing")[1].startswith("Settl"))
        at_rest(rolled_out)
        assert len(rollbacks(rolled_out)) == 1
