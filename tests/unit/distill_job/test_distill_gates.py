"""A gate can say no, and says why in numbers."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from edgemodel.distillation import GateSettings
from edgemodel_distill import measure
from edgemodel_distill.gates import Measured, judge

SETTINGS = GateSettings(
    min_accuracy=0.9, max_accuracy_drop=0.01, min_class_accuracy=0.7, max_latency_ratio=1.5, max_size=1000
)
GOOD = Measured(
    accuracy=0.96,
    worst_class_accuracy=0.8,
    agreement=0.9,
    edge_agreement=0.8,
    calibration_error=0.05,
    parent_accuracy=0.96,
    drop_p_value=0.5,
    latency_ratio=1.0,
    size=900,
    non_finite=0,
    export_difference=1e-5,
)


def failed(**changes: float | None) -> list[str]:
    """Names of the gates that say no to the good student with these changes."""
    return [gate.name for gate in judge(SETTINGS, dataclasses.replace(GOOD, **changes)) if not gate.passed]


def test_a_good_student_passes_all_gates() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"accuracy": 0.89, "parent_accuracy": 0.89}, "minAccuracy"),
        ({"worst_class_accuracy": 0.69}, "minClassAccuracy"),
        ({"parent_accuracy": 0.98}, "maxAccuracyDrop"),
        ({"agreement": 0.49}, "minAgreement"),
        ({"edge_agreement": 0.49}, "minEdgeAgreement"),
        ({"calibration_error": 0.31}, "maxCalibrationError"),
        ({"calibration_error": math.nan}, "maxCalibrationError"),
        ({"latency_ratio": 1.51}, "maxLatencyRatio"),
        ({"size": 1001}, "maxSize"),
        ({"non_finite": 1}, "maxNonFinite"),
        ({"export_difference": 0.01}, "maxExportDifference"),
        ({"export_difference": math.nan}, "maxExportDifference"),
        ({"latency_ratio": math.nan}, "maxLatencyRatio"),
    ],
)
def test_each_gate_refuses_what_it_is_for(changes: dict[str, float], gate: str) -> None:
    assert failed(**changes) == [gate]


@pytest.mark.parametrize(
    "changes",
    [
        {"accuracy": 0.9, "parent_accuracy": 0.9},
        {"worst_class_accuracy": 0.7},
        {"parent_accuracy": 0.97},
        {"latency_ratio": 1.5},
        {"size": 1000},
    ],
)
def test_the_bound_itself_is_good_enough(changes: dict[str, float]) -> None:
    assert failed(**changes) == []


def test_a_first_student_has_nothing_to_be_compared_with() -> None:
    gates = judge(SETTINGS, dataclasses.replace(GOOD, parent_accuracy=None, drop_p_value=None, latency_ratio=None))
    assert {"maxAccuracyDrop", "minDropPValue", "maxLatencyRatio"}.isdisjoint(gate.name for gate in gates)


def test_a_gate_tells_what_was_wanted_and_what_was_measured() -> None:
    gate = next(gate for gate in judge(SETTINGS, GOOD) if gate.name == "minAccuracy")
    assert (gate.want, gate.got) == (0.9, 0.96)


@pytest.mark.parametrize(("bound", "passed"), [(0.0, True), (0.04, True), (0.05, False)])
def test_a_drop_that_is_hardly_chance_is_refused_where_that_is_wanted(bound: float, passed: bool) -> None:
    settings = SETTINGS.model_copy(update={"min_drop_p_value": bound})
    gates = judge(settings, dataclasses.replace(GOOD, drop_p_value=0.04))
    assert next(gate for gate in gates if gate.name == "minDropPValue").passed is passed


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_paired_test_is_scipys_binomial_test_of_the_rows_that_differ(rights: list[tuple[bool, bool]]) -> None:
    labels = np.zeros(len(rights), np.int64)
    ours, theirs = (np.array([[r[side], 0.5] for r in rights], np.float32) for side in (0, 1))
    lost, won = sum(t and not o for o, t in rights), sum(o and not t for o, t in rights)
    wanted = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1.0
    assert measure.drop_p_value(ours, theirs, labels) == pytest.approx(wanted)


def test_a_model_that_is_as_often_right_as_it_is_sure_is_calibrated() -> None:
    logits = np.full((10, 2), [math.log(4), 0], np.float32)  # sure by 0.8
    labels = np.array([0] * 8 + [1] * 2)
    assert measure.calibration_error(logits, labels) == pytest.approx(0, abs=1e-6)
    assert measure.calibration_error(logits, 1 - labels) == pytest.approx(0.6, abs=1e-6)
