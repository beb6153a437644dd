"""A gate can say no, and says why in numbers."""

import dataclasses
import math

import pytest

from edgemodel.distillation import GateSettings
from edgemodel_distill.gates import Measured, judge

SETTINGS = GateSettings(
    min_accuracy=0.9, max_accuracy_drop=0.01, min_class_accuracy=0.7, max_latency_ratio=1.5, max_size=1000
)
GOOD = Measured(
    accuracy=0.96,
    worst_class_accuracy=0.8,
    parent_accuracy=0.96,
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
    gates = judge(SETTINGS, dataclasses.replace(GOOD, parent_accuracy=None, latency_ratio=None))
    assert {"maxAccuracyDrop", "maxLatencyRatio"}.isdisjoint(gate.name for gate in gates)


def test_a_gate_tells_what_was_wanted_and_what_was_measured() -> None:
    gate = next(gate for gate in judge(SETTINGS, GOOD) if gate.name == "minAccuracy")
    assert (gate.want, gate.got) == (0.9, 0.96)
