"""What the operator asks of an API server: counted by a proxy, gated."""

from collections import Counter

import pytest

from tests.apiserver import scenarios
from tests.apiserver.scenarios import Run
from tests.apiserver.theatre import NODES, Theatre

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("edgemodel_crd")]

EVENTS_PER_HEAL = 12


def counts(run: Run, since: int) -> Counter[str]:
    """Writes after the first `since`, by resource."""
    return Counter(seen.kind for seen in run.proxy.writes[since:])


def test_a_change_of_the_spec_costs_two_writes_and_a_nudge_for_each_pod(theatre: Theatre) -> None:
    with theatre.run() as run:
        scenarios.install(run)
        run.rest()
        since, reads = len(run.proxy.writes), len(run.proxy.reads)
        rule = {"name": "low-confidence", "metric": "model_confidence_mean", "operator": "<", "threshold": 0.6}
        run.apply(health={"rules": [rule]})
        run.until("it is carried out", lambda status: status["observedGeneration"] == 2)
        run.rest()
        found = counts(run, since)
        assert found.pop("pods") == len(NODES)
        assert found.total() <= 2, found
        assert found.pop("configmaps") == 1
        assert len(run.proxy.reads) == reads, "what the watches have shown is asked for again"


def test_at_rest_nothing_is_written_and_nothing_is_read(theatre: Theatre) -> None:
    with theatre.run() as run:
        scenarios.install(run)
        run.rest()
        writes, reads = len(run.proxy.writes), len(run.proxy.reads)
        for _ in range(3):
            run.rest()
        assert (len(run.proxy.writes), len(run.proxy.reads)) == (writes, reads)


def test_a_heal_is_told_in_a_dozen_events_at_most(theatre: Theatre) -> None:
    with theatre.run() as run:
        scenarios.redistil(run)
        run.rest()
        told = [seen for seen in run.proxy.writes if seen.kind == "events"]
        assert 1 <= len(told) <= EVENTS_PER_HEAL
        assert len(run.status()["heals"]) == 1
