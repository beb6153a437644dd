"""A distillation from order to Outcome: fetch, split, train, export, measure, judge, publish."""

from dataclasses import dataclass
from pathlib import Path

from edgemodel.bundle import MODEL
from edgemodel.distillation import Order
from edgemodel.outcome import Choice, Gate, Outcome
from edgemodel_distill import compress, handout, publish, report, students
from edgemodel_distill.candidates import choose, compare
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import ALONE, Crew, leave_group
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import TEACHER, Ingredients, fetch
from edgemodel_distill.gates import judge_teacher
from edgemodel_distill.handout import Handout
from edgemodel_distill.progress import Watch
from edgemodel_distill.report import Story
from edgemodel_distill.teach import Lesson, Taught, teach
from edgemodel_registry import Client
from edgemodel_registry.signing import SigningKey

CANDIDATE = "candidate"
"""Folder of the student's bundle in the work folder; a refused one stays there to be looked at."""


def run(  # noqa: PLR0913 (what, with what, where, for whom)
    order: Order,
    client: Client,
    work: Path,
    watch: Watch,
    *,
    threads: int = 1,
    key: SigningKey | None = None,
    crew: Crew = ALONE,
) -> Outcome:
    """Distil what `order` asks for, and push it if the gates let it.

    Args:
        order: what to train, from what.
        client: reaches the registries.
        work: folder for downloads and the candidate.
        watch: is told the progress.
        threads: of training and of every measurement.
        key: signs the student that is pushed.
        crew: trains together; this process leads it.

    Returns:
        Accepted with the pushed digest; Rejected, or TeacherUnfit before any training, with nothing pushed. All with
        the numbers of the gates.

    Raises:
        DistillError: see `edgemodel_distill.errors`; nothing was pushed that could be taken for a candidate.
    """
    recipe = Recipe.of(order, threads, crew.size)
    watch.stage("Fetching")
    things = fetch(order, client, work, threads)
    examiner = Examiner(things, order.method)
    watch.data(examiner.data_report())
    teacher_gates, scores = _judge_teacher(examiner, order, recipe)
    if not all(gate.passed for gate in teacher_gates):
        return _unfit(Result(things, teacher_gates, scores))

    given = Handout(things.teacher, examiner.training, examiner.edge_training, things.edge.digests)
    lesson = Lesson(
        order=order,
        recipe=recipe,
        given=given,
        validation=examiner.validation,
        weights=things.parent.weights if things.parent is not None else None,
        examine=examiner.report,
        work=work,
        watch=watch,
        crew=crew,
    )
    taught = _teach(lesson)

    watch.stage("Measuring")
    card = publish.describe(order, taught.recipe, things.teacher, things.edge.digests)
    networks = {"": taught.student} | ({"pruned-": taught.pruned} if taught.pruned is not None else {})
    families = [
        compress.family(name, network, things.teacher.input_shape, order.compress.quantize, examiner.calibration())
        for name, network in networks.items()
    ]
    best, choice = choose(compare(families, card, examiner, order.gates, threads))
    scores |= {**examiner.scores(best.classifier), "warmStart": float(taught.warm)}
    result = Result(things, (*teacher_gates, *best.gates), scores, choice)

    card = publish.complete(card, best.name, examiner.card_scores(best.measured))
    story = Story(
        card,
        examiner.data_report(),
        taught.epochs,
        result.gates,
        choice,
        examiner.confusion(best.classifier),
        examiner.drift(),
    )
    exported = publish.Exported(best.model, students.weights(taught.student), report.files(story))
    digest = publish.pack(work / CANDIDATE, card, exported, examiner.holdout.inputs)
    if not best.passed:
        return _rejected(result)
    watch.stage("Publishing")
    publish.publish(work / CANDIDATE, digest, order.push, client, key)
    return _accepted(digest, result)


def _teach(lesson: Lesson) -> Taught:
    crew = lesson.crew
    crew.assemble()
    lesson.watch.stage("Training")
    if crew.size > 1:
        model = (lesson.work / TEACHER / MODEL).read_bytes()
        handout.give(crew, lesson.given, model, lesson.order, lesson.recipe)
    taught = teach(lesson)
    leave_group()
    return taught


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
