"""A distillation from order to Outcome: fetch, split, train, export, measure, judge, publish."""

from pathlib import Path

from torch import nn

from edgemodel.distillation import Order
from edgemodel.outcome import Gate, Outcome
from edgemodel_distill import export, publish, students
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.errors import BadOrder, InternalError
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import Ingredients, Parent, fetch
from edgemodel_distill.gates import judge
from edgemodel_distill.progress import Watch
from edgemodel_distill.train import Material, seed_everything, train
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
        Accepted with the pushed digest, or Rejected with nothing pushed; both with all gates' numbers.

    Raises:
        DistillError: see `edgemodel_distill.errors`; nothing was pushed that could be taken for a candidate.
    """
    recipe = Recipe.of(order, threads)
    watch.stage("Fetching")
    things = fetch(order, client, work, threads)
    examiner = Examiner(things)
    watch.data(examiner.data_report())

    watch.stage("Training")
    seed_everything(recipe)
    student = _build(order, things.teacher)
    warm = _warm_start(student, things.parent)
    material = Material(examiner.training, examiner.edge_training, things.teacher.logits)
    train(student, material, recipe, lambda losses: watch.epoch(examiner.report(student, losses, recipe.epochs)))

    watch.stage("Measuring")
    exported = publish.Exported(export.to_onnx(student, things.teacher.input_shape), students.weights(student))
    card = publish.describe(order, recipe, things.teacher, things.edge.digests)
    candidate = Classifier(card, exported.model, threads, InternalError)
    measured = examiner.measure(student, candidate, len(exported.model))
    scores = {**examiner.scores(student), "warmStart": float(warm)}
    gates = judge(order.gates, measured)
    if not all(gate.passed for gate in gates):
        return _rejected(gates, scores, things)

    watch.stage("Publishing")
    card = card.model_copy(update={"scores": examiner.card_scores(measured)})
    digest = publish.pack(work / "candidate", card, exported, examiner.holdout.inputs)
    publish.publish(work / "candidate", digest, order.push, client)
    return _accepted(digest, gates, scores, things)


def _build(order: Order, teacher: Classifier) -> nn.Module:
    try:
        return students.build(order.student.architecture, order.student.width, teacher.input_shape, teacher.classes)
    except ValueError as error:
        raise BadOrder(f"student: {error}") from error


def _warm_start(student: nn.Module, parent: Parent | None) -> bool:
    return parent is not None and parent.weights is not None and students.warm_start(student, parent.weights)


def _rejected(gates: tuple[Gate, ...], scores: dict[str, float], things: Ingredients) -> Outcome:
    failed = "; ".join(f"{gate.name}: want {gate.want:g}, got {gate.got:g}" for gate in gates if not gate.passed)
    return Outcome(
        code="Rejected",
        message=_with_skipped(f"refused by {failed}", things),
        gates=gates,
        scores=scores,
        edge_samples=len(things.edge.inputs),
    )


def _accepted(digest: str, gates: tuple[Gate, ...], scores: dict[str, float], things: Ingredients) -> Outcome:
    told = f"accuracy {scores['accuracy']:.4f}"
    if "parentAccuracy" in scores:
        told += f" (serving: {scores['parentAccuracy']:.4f})"
    if "edgeAgreement" in scores:
        told += f", agrees with the teacher on {scores['edgeAgreement']:.1%} of held-out edge samples"
    if "parentEdgeAgreement" in scores:
        told += f" (serving: {scores['parentEdgeAgreement']:.1%})"
    return Outcome(
        code="Accepted",
        message=_with_skipped(told, things),
        digest=digest,
        gates=gates,
        scores=scores,
        edge_samples=len(things.edge.inputs),
    )


def _with_skipped(message: str, things: Ingredients) -> str:
    return message + "".join(f"; samples left out: {reason}" for reason in things.edge.skipped)
