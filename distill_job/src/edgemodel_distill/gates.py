"""May this student ship? Pure."""

from dataclasses import dataclass

from edgemodel.distillation import GateSettings
from edgemodel.outcome import Gate

MAX_EXPORT_DIFFERENCE = 1e-3
"""Largest difference of a logit between PyTorch and the exported graph; rounding gives about 1e-5."""

_ROUNDING = 1e-9
"""0.97 - 0.96 is a hair more than 0.01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of a student; None where there is no serving student to compare with."""

    accuracy: float
    worst_class_accuracy: float
    agreement: float
    """Share of the holdout on which student and teacher have the same answer."""
    edge_agreement: float | None = None
    """The same of held-out edge samples; None where there are too few to tell."""
    calibration_error: float
    parent_accuracy: float | None = None
    drop_p_value: float | None = None
    """One-sided McNemar test: how likely a drop like this is when both students are equally good."""
    latency_ratio: float | None = None
    """Median latency over the serving student's."""
    size: int
    """Bytes of model.onnx."""
    non_finite: int
    """Inputs with an answer that is NaN or infinite."""
    export_difference: float
    """Largest absolute difference of a logit between PyTorch and ONNX Runtime."""


def judge(settings: GateSettings, measured: Measured) -> tuple[Gate, ...]:
    """Every gate with its numbers; the student may ship when all have passed. NaN passes none."""
    gates = [
        _at_least("minAccuracy", settings.min_accuracy, measured.accuracy),
        _at_least("minClassAccuracy", settings.min_class_accuracy, measured.worst_class_accuracy),
        _at_least("minAgreement", settings.min_agreement, measured.agreement),
        _at_most("maxCalibrationError", settings.max_calibration_error, measured.calibration_error),
        _at_most("maxSize", settings.max_size, measured.size),
        _at_most("maxNonFinite", 0, measured.non_finite),
        _at_most("maxExportDifference", MAX_EXPORT_DIFFERENCE, measured.export_difference),
    ]
    if measured.edge_agreement is not None:
        gates.append(_at_least("minEdgeAgreement", settings.min_edge_agreement, measured.edge_agreement))
    if measured.parent_accuracy is not None:
        drop = measured.parent_accuracy - measured.accuracy
        gates.append(_at_most("maxAccuracyDrop", settings.max_accuracy_drop, drop))
    if measured.drop_p_value is not None:
        gates.append(_at_least("minDropPValue", settings.min_drop_p_value, measured.drop_p_value))
    if measured.latency_ratio is not None:
        gates.append(_at_most("maxLatencyRatio", settings.max_latency_ratio, measured.latency_ratio))
    return tuple(gates)


TEACHERS_ACCURACY = "minTeacherAccuracy"


def judge_teacher(
    settings: GateSettings, accuracy: float | None, on_edge: tuple[float, float] | None
) -> tuple[Gate, ...]:
    """Whether the teacher knows what it is to teach: its accuracy on the holdout, confidence and agreement at the edge.

    None: there are too few samples to tell.
    """
    gates = []
    if accuracy is not None:
        gates.append(_at_least(TEACHERS_ACCURACY, settings.min_teacher_accuracy, accuracy))
    if on_edge is not None:
        gates.append(_at_least("minTeacherConfidence", settings.min_teacher_confidence, on_edge[0]))
        gates.append(_at_least("minTeacherAgreement", settings.min_teacher_agreement, on_edge[1]))
    return tuple(gates)


def _at_least(name: str, want: float, got: float) -> Gate:
    return Gate(name=name, want=want, got=got, passed=got >= want - _ROUNDING)


def _at_most(name: str, want: float, got: float) -> Gate:
    return Gate(name=name, want=want, got=got, passed=got <= want + _ROUNDING)
