"""The forms of one student, measured side by side, and the one that ships."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgemodel.bundle import Card
from edgemodel.distillation import GateSettings
from edgemodel.outcome import Choice, Gate
from edgemodel_distill import measure
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.compress import Family
from edgemodel_distill.errors import InternalError
from edgemodel_distill.examine import Examiner
from edgemodel_distill.gates import Measured, judge

MAX_LOSS = 0.003
"""Accuracy that int8 and pruning may cost on the holdout."""

_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A form of the student with what was measured of it; times in seconds."""

    name: str
    model: bytes
    classifier: Classifier
    measured: Measured
    gates: tuple[Gate, ...]
    macs: int = 0
    latency: float = 0.0
    latency16: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every gate lets it ship."""
        return all(gate.passed for gate in self.gates)


def compare(
    families: Sequence[Family], card: Card, examiner: Examiner, gates: GateSettings, threads: int
) -> tuple[Candidate, ...]:
    """Measure every form in this run on `threads` threads; the first is the student as it was trained."""
    measured = [each for family in families for each in _measure(family, card, examiner, gates, threads)]
    if len(measured) == 1:
        return tuple(measured)
    ones, sixteens = _times([candidate.classifier for candidate in measured], examiner)
    return tuple(
        replace(candidate, latency=one, latency16=sixteen)
        for candidate, one, sixteen in zip(measured, ones, sixteens, strict=True)
    )


def choose(candidates: Sequence[Candidate]) -> tuple[Candidate, tuple[Choice, ...]]:
    """The form that ships if its gates let it, and the table that says why; no table where there is one form only."""
    plain, *others = candidates
    if not others:
        return plain, ()
    against = {other.name: _against(other, plain) for other in others}
    gains = [other for other in others if against[other.name] is None]
    best = min(gains, key=lambda other: other.latency, default=plain)
    why = _why_plain(plain, best)
    rows = [_row(plain, best, why, why)]
    rows += [
        _row(other, best, against[other.name] or _gain(other, plain, best), _reason(other, plain, best))
        for other in others
    ]
    return best, tuple(rows)


def _against(other: Candidate, plain: Candidate) -> str | None:
    """Why `other` does not ship in place of `plain`; None: it could."""
    flaw = _flaw(other, plain)
    if flaw is None and plain.passed and other.latency >= plain.latency:
        return f"slower than fp32 ({other.latency / plain.latency:.2f} of its time)"
    return flaw


def _flaw(other: Candidate, plain: Candidate) -> str | None:
    """What speaks against `other`, whatever time it takes."""
    if not other.passed:
        return _refused(other)
    if not plain.passed:
        return None
    loss = plain.measured.accuracy - other.measured.accuracy
    if loss > MAX_LOSS:
        return f"worse than fp32 by {100 * loss:.2f} points"
    if other.measured.size >= plain.measured.size:
        return f"larger than fp32 ({other.measured.size:,} bytes, {plain.measured.size:,})"
    return None


def _refused(candidate: Candidate) -> str:
    return "refused by " + ", ".join(gate.name for gate in candidate.gates if not gate.passed)


def _why_plain(plain: Candidate, best: Candidate) -> str:
    if not plain.passed:
        return _refused(plain)
    return "nothing else is a gain" if best is plain else f"{best.name} is a gain"


def _gain(other: Candidate, plain: Candidate, best: Candidate) -> str:
    size = other.measured.size / plain.measured.size
    gain = f"{size:.2f} of fp32's size, {other.latency / plain.latency:.2f} of its time"
    return gain if other is best else f"{gain}; {best.name} is faster"


def _reason(other: Candidate, plain: Candidate, best: Candidate) -> str:
    if other is best:
        return f"{other.measured.size / plain.measured.size:.2f} of fp32's size"
    return _flaw(other, plain) or f"not faster than {best.name}"


def _row(candidate: Candidate, best: Candidate, why: str, reason: str) -> Choice:
    return Choice(
        name=candidate.name,
        size=candidate.measured.size,
        macs=candidate.macs,
        accuracy=round(candidate.measured.accuracy, 4),
        latency_ms=round(1000 * candidate.latency, 4),
        latency_ms16=round(1000 * candidate.latency16, 4),
        ships=candidate is best and best.passed,
        why=why,
        reason=reason,
    )


def _measure(family: Family, card: Card, examiner: Examiner, gates: GateSettings, threads: int) -> Iterator[Candidate]:
    opened = [Classifier(card, form.model, threads, InternalError) for form in family.forms]
    difference = examiner.parity(family.network, opened[0])
    for form, classifier in zip(family.forms, opened, strict=True):
        got = examiner.measure(classifier, len(form.model), difference)
        yield Candidate(
            name=form.name,
            model=form.model,
            classifier=classifier,
            measured=got,
            gates=judge(gates, got),
            macs=family.macs,
        )


def _times(opened: Sequence[Classifier], examiner: Examiner) -> tuple[list[float], list[float]]:
    predicts = [classifier.logits for classifier in opened]
    inputs = examiner.holdout.inputs
    sixteen = np.resize(inputs, (_BATCH, *inputs.shape[1:]))
    return measure.latencies(predicts, inputs[:1]), measure.latencies(predicts, sixteen)
