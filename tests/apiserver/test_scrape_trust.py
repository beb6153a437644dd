"""A real Prometheus, set up as the documentation says: a pod speaks for the namespace that it is in."""

from pathlib import Path

import pytest

from edgemodel import series
from lab.network import free_port
from tests.apiserver.alerting import alerting, ask
from tests.apiserver.operator_process import FakePod, wait_for

pytestmark = pytest.mark.apiserver


def test_a_pod_cannot_speak_for_an_edgemodel_of_another_namespace(tmp_path: Path) -> None:
    stranger = FakePod("edge-1", "127.0.84.1")
    stranger.say("digits", "plant-a", {(series.REFUSED_INFO, 'digest="sha256:1",reason="low-confidence"'): 1})
    where = {"namespace": "plant-b", "edgemodel": "digits", "fault": "x"}
    with stranger.listening(), alerting(tmp_path, where, free_port(), [stranger]) as prometheus:
        wait_for("a scrape", lambda: ask(prometheus, series.REFUSED_INFO) != [])
        (found,) = ask(prometheus, series.REFUSED_INFO)
    labels = found["metric"]
    assert (labels["namespace"], labels["edgemodel"], labels["node"]) == ("plant-b", "digits", "edge-1")
    assert not [name for name in labels if name.startswith("exported_")]
