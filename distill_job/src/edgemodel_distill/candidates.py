"""The forms of one student, measured side by side, and the one that ships."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from edgemodel.bundle import Card
from edgemodel.distillation import GateSettings
from edgemodel.outcome import Choice, Gate
from edgemodel_distill import measure
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.compress import Form
from edgemodel_distill.errors import InternalError
from edgemodel_distill.examine import Examiner
from edgemodel_distill.gates import Measured, judge

MAX_LOSS = 0.003
"""Accuracy that int8 may cost on the holdout."""

_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A form of the student with what was measured of it; times in seconds."""

    name: str
    model: bytes
    classifier: Classifier
    measured: Measured
    gates: tuple[Gate, ...]
    latency: float = 0.0
    latency16: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every gate lets it ship."""
        return all(gate.passed for gate in self.gates)


def compare(  # noqa: PLR0913, PLR0917 (what to compare, with what, under which bounds)
    forms: Sequence[Form], card: Card, student: nn.Module, examiner: Examiner, gates: GateSettings, threads: int
) -> tuple[Candidate, ...]:
    """Measure every form in this run on `threads` threads; the first is the student as it was exported."""
    opened = [Classifier(card, form.model, threads, InternalError) for form in forms]
    difference = examiner.parity(student, opened[0])
    measured = [
        examiner.measure(classifier, len(form.model), difference)
        for form, classifier in zip(forms, opened, strict=True)
    ]
    ones, sixteens = _times(opened, examiner) if len(forms) > 1 else ([0.0], [0.0])
    return tuple(
        Candidate(
            name=form.name,
            model=form.model,
            classifier=classifier,
            measured=got,
            gates=judge(gates, got),
            latency=one,
            latency16=sixteen,
        )
        for form, classifier, got, one, sixteen in zip(forms, opened, measured, ones, sixteens, strict=True)
    )


def choose(candidates: Sequence[Candidate]) -> tuple[Candidate, tuple[Choice, ...]]:
    """The form that ships if its gates let it, and the table that says why; no table where there is one form only."""
    plain, *others = candidates
    if not others:
        return plain, ()
    against = {other.name: _against(other, plain) for other in others}
    best = next((other for other in others if against[other.name] is None), plain)
    rows = [_row(plain, best, _why_plain(plain, best))]
    rows += [_row(other, best, against[other.name] or _gain(other, plain)) for other in others]
    return best, tuple(rows)


def _against(other: Candidate, plain: Candidate) -> str | None:
    """Why `other` does not ship in place of `plain`; None: it does."""
    if not other.passed:
        return "refused by " + ", ".join(gate.name for gate in other.gates if not gate.passed)
    if not plain.passed:
        return None
    loss = plain.measured.accuracy - other.measured.accuracy
    if loss > MAX_LOSS:
        return f"worse than fp32 by {100 * loss:.2f} points"
    if other.measured.size >= plain.measured.size:
        return f"larger than fp32 ({other.measured.size} bytes, {plain.measured.size})"
    if other.latency >= plain.latency:
        return f"slower than fp32 ({other.latency / plain.latency:.2f} of its time)"
    return None


def _why_plain(plain: Candidate, best: Candidate) -> str:
    if not plain.passed:
        return "refused by " + ", ".join(gate.name for gate in plain.gates if not gate.passed)
    return "nothing else is a gain" if best is plain else f"{best.name} is a gain"


def _gain(other: Candidate, plain: Candidate) -> str:
    size = other.measured.size / plain.measured.size
    return f"{size:.2f} of fp32's size, {other.latency / plain.latency:.2f} of its time"


def _row(candidate: Candidate, best: Candidate, why: str) -> Choice:
    return Choice(
        name=candidate.name,
        size=candidate.measured.size,
        accuracy=round(candidate.measured.accuracy, 4),
        latency_ms=round(1000 * candidate.latency, 4),
        latency_ms16=round(1000 * candidate.latency16, 4),
        ships=candidate is best and best.passed,
        why=why,
    )


def _times(opened: Sequence[Classifier], examiner: Examiner) -> tuple[list[float], list[float]]:
    predicts = [classifier.logits for classifier in opened]
    inputs = examiner.holdout.inputs
    sixteen = np.resize(inputs, (_BATCH, *inputs.shape[1:]))
    return measure.latencies(predicts, inputs[:1]), measure.latencies(predicts, sixteen)
