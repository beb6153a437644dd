"""Examines the student with what was held out."""

import numpy as np
from torch import nn

from edgemodel.bundle import Scores
from edgemodel.distillation import Method
from edgemodel_distill import drift, measure, report
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import HOLDOUT, VALIDATION, Recipe
from edgemodel_distill.data import Floats, Labelled, in_holdout, in_share
from edgemodel_distill.drift import Drift
from edgemodel_distill.errors import DatasetInvalid
from edgemodel_distill.fetch import Ingredients
from edgemodel_distill.gates import Measured
from edgemodel_distill.progress import DataReport, EpochReport
from edgemodel_distill.train import EpochLosses, predict

ENOUGH_TO_TELL = 20
"""Samples from which on the teacher is judged by them, and the student by the edge's."""

COMPARED = 2000
"""Samples of each set that the drift report looks at, spread over it."""

CALIBRATION = 256
"""Inputs from each source whose activations give int8 its ranges."""


class Examiner:
    """Holds out what the student is never trained on, and measures with it."""

    def __init__(self, things: Ingredients, method: Method) -> None:
        """Split the labelled set and the edge samples, each sample by its own bytes.

        Raises:
            DatasetInvalid: too few samples to train and to examine with.
        """
        known, edge = things.dataset, things.edge.inputs
        held_out, edge_held_out = in_holdout(known.inputs, HOLDOUT), in_holdout(edge, HOLDOUT)
        validating = in_share(known.inputs, HOLDOUT, HOLDOUT + (VALIDATION if method.patience else 0))
        self.training = known.where(~held_out & ~validating)
        self.holdout = known.where(held_out)
        self.validation = known.where(validating) if validating.any() else None
        self._edge = edge
        self.edge_training = _sure_ones(things.teacher, edge[~edge_held_out], method.min_confidence)
        self.edge_holdout: Floats = edge[edge_held_out]
        if len(self.training) < 2 or not len(self.holdout):  # noqa: PLR2004 (batch norm needs two)
            raise DatasetInvalid(
                f"want enough samples to train and to examine with, got {len(self.training)} and {len(self.holdout)}"
            )
        self._teacher = things.teacher
        self._repeated = things.repeated
        self._parent = things.parent.classifier if things.parent is not None else None
        self._targets = things.teacher.logits(self.holdout.inputs)
        self._edge_targets = things.teacher.logits(self.edge_holdout)

    def data_report(self) -> DataReport:
        """What there is to train and to examine with."""
        labels = np.concatenate([self.training.labels, self.holdout.labels])
        return DataReport(
            training=len(self.training),
            holdout=len(self.holdout),
            per_class=tuple(np.bincount(labels, minlength=self._teacher.classes).tolist()),
            edge=len(self.edge_training) + len(self.edge_holdout),
            repeated=self._repeated,
        )

    def drift(self) -> Drift | None:
        """The edge's samples against the training set; None where there are too few to tell."""
        edge = _spread(self._edge, COMPARED)
        if len(edge) < ENOUGH_TO_TELL:
            return None
        known = _spread(self.training.inputs, COMPARED)
        return drift.compare(known, edge, self._teacher.logits(known), self._teacher.logits(edge))

    def confusion(self, exported: Classifier) -> list[list[int]]:
        """How often each label of the holdout (row) got each answer (column)."""
        return report.confusion(exported.logits(self.holdout.inputs), self.holdout.labels)

    def teacher_accuracy(self) -> float | None:
        """The teacher's accuracy on the holdout; None where there are too few samples to tell."""
        if len(self.holdout) < ENOUGH_TO_TELL:
            return None
        return measure.accuracy(self._targets, self.holdout.labels)

    def teacher_on_edge(self, recipe: Recipe) -> tuple[float, float] | None:
        """The teacher's mean confidence on edge samples, and its agreement with itself on noisy views of them.

        The noise is that of the training; samples that are not trained on since it is unsure of them count, too. None
        where there are too few to tell.
        """
        inputs = self._edge
        if len(inputs) < ENOUGH_TO_TELL:
            return None
        confidence = measure.confidence(self._teacher.logits(inputs))
        noise = recipe.method.augment.noise
        return confidence, measure.self_agreement(self._teacher.logits, inputs, noise, recipe.seed)

    def report(self, student: nn.Module, losses: EpochLosses, epochs: int) -> EpochReport:
        """Where the student stands after an epoch."""
        return EpochReport(
            epoch=losses.epoch,
            epochs=epochs,
            percent=round(100 * losses.epoch / epochs, 1),
            loss=losses.loss,
            soft_loss=losses.soft,
            hard_loss=losses.hard,
            holdout_accuracy=measure.accuracy(predict(student, self.holdout.inputs), self.holdout.labels),
            edge_agreement=self._agreement(predict(student, self.edge_holdout)),
        )

    def parity(self, student: nn.Module, exported: Classifier) -> float:
        """Largest difference of a logit between PyTorch and the exported graph, over all that was held out."""
        inputs = self._all_held_out
        return float(np.abs(exported.logits(inputs) - predict(student, inputs)).max())

    def measure(self, exported: Classifier, size: int, export_difference: float) -> Measured:
        """What the gates want to know of a model that may ship."""
        answers = exported.logits(self._all_held_out)
        ours, on_edge = np.split(answers, [len(self.holdout)])
        one = self.holdout.inputs[:1]
        labels, parent = self.holdout.labels, self._parent
        theirs = parent.logits(self.holdout.inputs) if parent is not None else None
        return Measured(
            accuracy=measure.accuracy(ours, labels),
            worst_class_accuracy=measure.worst_class_accuracy(ours, labels),
            agreement=measure.agreement(ours, self._targets),
            edge_agreement=self._agreement(on_edge) if len(on_edge) >= ENOUGH_TO_TELL else None,
            calibration_error=measure.calibration_error(ours, labels),
            parent_accuracy=measure.accuracy(theirs, labels) if theirs is not None else None,
            drop_p_value=measure.drop_p_value(ours, theirs, labels) if theirs is not None else None,
            latency_ratio=measure.latency_ratio(exported.logits, parent.logits, one) if parent is not None else None,
            size=size,
            non_finite=measure.count_non_finite(answers),
            export_difference=export_difference,
        )

    def calibration(self) -> Floats:
        """A few hundred inputs that were trained on, spread over the labelled set and the edge's."""
        parts = [_spread(part, CALIBRATION) for part in (self.training.inputs, self.edge_training)]
        return np.concatenate(parts)

    def scores(self, exported: Classifier) -> dict[str, float]:
        """Numbers for people, beyond those of the gates."""
        scores: dict[str, float | None] = {
            "accuracy": _accuracy(exported, self.holdout),
            "teacherAccuracy": _accuracy(self._teacher, self.holdout),
            "edgeAgreement": self._agreement(exported.logits(self.edge_holdout)),
        }
        if self._parent is not None:
            scores["parentAccuracy"] = _accuracy(self._parent, self.holdout)
            scores["parentEdgeAgreement"] = self._agreement(self._parent.logits(self.edge_holdout))
        return {name: round(score, 4) for name, score in scores.items() if score is not None}

    def card_scores(self, measured: Measured) -> Scores:
        """The numbers that the bundle's card gives."""
        return Scores(
            accuracy=measured.accuracy,
            worst_class_accuracy=measured.worst_class_accuracy,
            holdout=len(self.holdout),
        )

    @property
    def _all_held_out(self) -> Floats:
        return np.concatenate([self.holdout.inputs, self.edge_holdout])

    def _agreement(self, logits: Floats) -> float | None:
        return measure.agreement(logits, self._edge_targets) if len(self.edge_holdout) else None


def _sure_ones(teacher: Classifier, inputs: Floats, least: float) -> Floats:
    if not least or not len(inputs):
        return inputs
    return inputs[measure.confidences(teacher.logits(inputs)) >= least]


def _accuracy(classifier: Classifier, holdout: Labelled) -> float:
    return measure.accuracy(classifier.logits(holdout.inputs), holdout.labels)


def _spread(inputs: Floats, count: int) -> Floats:
    return inputs[:: -(-len(inputs) // count)] if len(inputs) else inputs
