"""A distillation from order to Outcome: fetch, split, train, export, measure, judge, publish."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from torch import nn

from edgemodel.bundle import digest_of
from edgemodel.distillation import Order
from edgemodel.outcome import Choice, Gate, Outcome
from edgemodel_distill import compress, export, publish, students
from edgemodel_distill.candidates import choose, compare
from edgemodel_distill.checkpoint import Checkpoint
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.errors import BadOrder
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import Ingredients, Parent, fetch
from edgemodel_distill.gates import judge_teacher
from edgemodel_distill.progress import Watch
from edgemodel_distill.train import EpochLosses, seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry import Client


def run(order: Order, client: Client, work: Path, watch: Watch, threads: int = 1) -> Outcome:
    """Distil what `order` asks for, and push it if the gates let it.

    Args:
        order: what to train, from what.
        client: reaches the registries.
        work: folder for downloads and the candidate.
        watch: is told the progress.
        threads: of training and of every measurement.

    Returns:
        Accepted with the pushed digest; Rejected, or TeacherUnfit before any training, with nothing pushed. All with
        the numbers of the gates.

    Raises:
        DistillError: see `edgemodel_distill.errors`; nothing was pushed that could be taken for a candidate.
    """
    recipe = Recipe.of(order, threads)
    watch.stage("Fetching")
    things = fetch(order, client, work, threads)
    examiner = Examiner(things, order.method)
    watch.data(examiner.data_report())
    teacher_gates, scores = _judge_teacher(examiner, order, recipe)
    if not all(gate.passed for gate in teacher_gates):
        return _unfit(Result(things, teacher_gates, scores))

    watch.stage("Training")
    student, warm = _train(order, recipe, things, examiner, work, watch)

    watch.stage("Measuring")
    model = export.to_onnx(student, things.teacher.input_shape)
    card = publish.describe(order, recipe, things.teacher, things.edge.digests)
    forms = compress.forms(model, order.compress.quantize, examiner.calibration())
    best, choice = choose(compare(forms, card, student, examiner, order.gates, threads))
    scores |= {**examiner.scores(best.classifier), "warmStart": float(warm)}
    result = Result(things, (*teacher_gates, *best.gates), scores, choice)
    if not best.passed:
        return _rejected(result)

    watch.stage("Publishing")
    card = publish.complete(card, best.name, examiner.card_scores(best.measured))
    exported = publish.Exported(best.model, students.weights(student))
    digest = publish.pack(work / "candidate", card, exported, examiner.holdout.inputs)
    publish.publish(work / "candidate", digest, order.push, client)
    return _accepted(digest, result)


@dataclass(frozen=True, slots=True)
class Result:
    """What an Outcome tells of a student, accepted or not."""

    things: Ingredients
    gates: tuple[Gate, ...]
    scores: dict[str, float]
    choice: tuple[Choice, ...] = ()

    def outcome(self, code: str, message: str, digest: str | None = None) -> Outcome:
        """The Outcome with all numbers; samples that were left out are named."""
        edge = self.things.edge
        return Outcome(
            code=code,
            message=message + "".join(f"; samples left out: {reason}" for reason in edge.skipped),
            digest=digest,
            gates=self.gates,
            scores=self.scores,
            choice=self.choice,
            edge_samples=len(edge.inputs),
        )


def _train(  # noqa: PLR0913, PLR0917 (what, from what, where, and who watches)
    order: Order, recipe: Recipe, things: Ingredients, examiner: Examiner, work: Path, watch: Watch
) -> tuple[nn.Module, bool]:
    """The trained student, and whether it began with the serving one's weights."""
    seed_everything(recipe)
    student = _build(order, things.teacher)
    warm = _warm_start(student, things.parent)
    material = Material(examiner.training, examiner.edge_training, things.teacher.logits, examiner.validation)
    checkpoint = Checkpoint(work / "checkpoint.safetensors", _fingerprint(order, recipe, things))

    def after_epoch(losses: EpochLosses, network: nn.Module) -> None:
        report = examiner.report(network, losses, recipe.epochs)
        checkpoint.notes.append(asdict(report))
        watch.epoch(report)

    train(student, material, recipe, after_epoch, checkpoint)
    return student, warm


def _fingerprint(order: Order, recipe: Recipe, things: Ingredients) -> str:
    """Of all that the student depends on, the libraries included."""
    versions = {name: version(name) for name in ("torch", "numpy", "onnxruntime", "edgemodel-distill")}
    depends = [order.dump(), recipe.dump(), things.edge.digests, versions]
    return digest_of(json.dumps(depends, sort_keys=True).encode())


def _build(order: Order, teacher: Classifier) -> nn.Module:
    try:
        return students.build(order.student.architecture, order.student.width, teacher.input_shape, teacher.classes)
    except ValueError as error:
        raise BadOrder(f"student: {error}") from error


def _warm_start(student: nn.Module, parent: Parent | None) -> bool:
    return parent is not None and parent.weights is not None and students.warm_start(student, parent.weights)


def _judge_teacher(examiner: Examiner, order: Order, recipe: Recipe) -> tuple[tuple[Gate, ...], dict[str, float]]:
    """A teacher that does not know the drift itself teaches its mistakes; without edge samples nothing is asked."""
    known = examiner.teacher_on_edge(recipe)
    if known is None:
        return (), {}
    confidence, agreement = known
    scores = {"teacherEdgeConfidence": round(confidence, 4), "teacherSelfAgreement": round(agreement, 4)}
    return judge_teacher(order.gates, confidence, agreement), scores


def _unfit(result: Result) -> Outcome:
    message = f"the teacher does not know the edge's samples: {_failed(result)}; take one that has seen such input"
    return result.outcome("TeacherUnfit", message)


def _rejected(result: Result) -> Outcome:
    return result.outcome("Rejected", f"refused by {_failed(result)}")


def _failed(result: Result) -> str:
    failed = (gate for gate in result.gates if not gate.passed)
    return "; ".join(f"{gate.name}: want {gate.want:g}, got {gate.got:g}" for gate in failed)


def _accepted(digest: str, result: Result) -> Outcome:
    scores = result.scores
    told = f"accuracy {scores['accuracy']:.4f}"
    if "parentAccuracy" in scores:
        told += f" (serving: {scores['parentAccuracy']:.4f})"
    if "edgeAgreement" in scores:
        told += f", agrees with the teacher on {scores['edgeAgreement']:.1%} of held-out edge samples"
    if "parentEdgeAgreement" in scores:
        told += f" (serving: {scores['parentEdgeAgreement']:.1%})"
    told += "".join(f"; {form.name}: {form.why}" for form in result.choice)
    return result.outcome("Accepted", told, digest)
