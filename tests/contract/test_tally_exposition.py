"""What a pod has counted is what the operator reads, to the last digit."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from edgemodel import series
from edgemodel.tally import Measure, Moments, Tally
from edgemodel_inference.observing.metrics import Metrics, Readings
from edgemodel_operator.model.naming import Key
from edgemodel_operator.signals.reports import Sample, assemble


def test_a_tally_survives_the_way_from_pod_to_operator() -> None:
    moments = {measure: Moments(3, 0.1 + index, 1 / 3) for index, measure in enumerate(Measure)}
    tally = Tally(began=1763748000.125, answered=41, moments=moments)
    readings = Readings(serving=("v1", "sha256:1", "Wish"), tally=tally)
    text = Metrics(series.identity("digits", "plant-a", "n1"), lambda: readings).render()
    samples = [
        Sample(s.name, s.labels, s.value) for family in text_string_to_metric_families(text) for s in family.samples
    ]
    report = assemble(samples, datetime(2026, 1, 1, tzinfo=UTC))[Key("plant-a", "digits")]["n1"]
    assert report.tally == tally
