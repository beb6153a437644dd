"""A distillation from order to Outcome: fetch, split, train, export, measure, judge, publish."""

from dataclasses import dataclass
from pathlib import Path

from edgemodel.bundle import MODEL, Card
from edgemodel.distillation import Order
from edgemodel.outcome import Choice, Gate, Outcome
from edgemodel_distill import compress, handout, own, publish, report, students
from edgemodel_distill.candidates import Candidate, choose, compare
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import ALONE, Crew
from edgemodel_distill.examine import Examiner
from edgemodel_distill.fetch import TEACHER, Ingredients, fetch
from edgemodel_distill.gates import TEACHERS_ACCURACY, judge_teacher
from edgemodel_distill.handout import Handout
from edgemodel_distill.progress import Watch
from edgemodel_distill.rehearse import rehearse
from edgemodel_distill.report import Story
from edgemodel_distill.teach import Lesson, Taught, teach
from edgemodel_distill.work import CANDIDATE
from edgemodel_registry import Client
from edgemodel_registry.signing import SigningKey


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
    """Distil what `order` asks for, and push it, signed with `key`, if the gates let it.

    `work` takes downloads and the candidate; `threads` are those of the training and of every measurement; of `crew`,
    which trains together, this process is the leader.

    Returns:
        Accepted with the pushed digest; Rejected, with the student in the same repository under a tag that says so;
        TeacherUnfit before any training, with nothing pushed. All with the numbers of the gates.

    Raises:
        DistillError: see `edgemodel_distill.errors`; nothing was pushed that could be taken for a candidate.
    """
    recipe = Recipe.of(order, threads, crew.size, own.source(order.student.architecture))
    watch.stage("Fetching")
    things = fetch(order, client, work, threads)
    rehearse(order, things.teacher)
    examiner = Examiner(things, order.method)
    watch.data(examiner.data_report())
    teacher_gates, scores = _judge_teacher(examiner, order, recipe)
    if not all(gate.passed for gate in teacher_gates):
        return _unfit(Result(things, teacher_gates, scores))

    taught = _teach(_lesson(order, recipe, things, examiner, work, watch, crew))

    watch.stage("Measuring")
    card = publish.describe(order, taught.recipe, things.teacher, things.edge.digests)
    best, choice = _measure(taught, card, examiner, order, threads)
    scores |= {**examiner.scores(best.classifier), "warmStart": float(taught.warm)}
    result = Result(things, (*teacher_gates, *best.gates), scores, choice)
    digest = _pack(work / CANDIDATE, card, taught, best, examiner, result)
    if not best.passed:
        return _rejected(result, publish.keep(work / CANDIDATE, digest, order.push, client))
    watch.stage("Publishing")
    publish.publish(work / CANDIDATE, digest, order.push, client, key)
    return _accepted(digest, result)


def _lesson(  # noqa: PLR0913, PLR0917 (what is trained on what, where, by whom, and who is told)
    order: Order, recipe: Recipe, things: Ingredients, examiner: Examiner, work: Path, watch: Watch, crew: Crew
) -> Lesson:
    parent = things.parent
    fits = parent is not None and students.may_start_from(order.student, parent.classifier.card)
    return Lesson(
        order=order,
        recipe=recipe,
        given=Handout(things.teacher, examiner.training, examiner.edge_training, things.edge.digests),
        validation=examiner.validation,
        weights=parent.weights if parent is not None and fits else None,
        examine=examiner.report,
        work=work,
        watch=watch,
        crew=crew,
    )


def _teach(lesson: Lesson) -> Taught:
    crew = lesson.crew
    crew.assemble()
    lesson.watch.stage("Training")
    if crew.size > 1:
        model = (lesson.work / TEACHER / MODEL).read_bytes()
        handout.give(crew, lesson.given, model, lesson.order, lesson.recipe)
    taught = teach(lesson)
    crew.part_ways()
    return taught


def _measure(
    taught: Taught, card: Card, examiner: Examiner, order: Order, threads: int
) -> tuple[Candidate, tuple[Choice, ...]]:
    """The form that ships if its gates let it, and the table of all forms."""
    networks = {"": taught.student} | ({"pruned-": taught.pruned} if taught.pruned is not None else {})
    shape, calibration = card.inputs[0].shape[1:], examiner.calibration()
    families = [
        compress.family(name, network, shape, order.compress.quantize, calibration)
        for name, network in networks.items()
    ]
    return choose(compare(families, card, examiner, order.gates, threads))


def _pack(  # noqa: PLR0913, PLR0917 (all that a bundle and its report tell)
    folder: Path, card: Card, taught: Taught, best: Candidate, examiner: Examiner, result: "Result"
) -> str:
    """Write the candidate's bundle with its report; its digest."""
    card = publish.complete(card, best.name, examiner.card_scores(best.measured))
    story = Story(
        card,
        examiner.data_report(),
        taught.epochs,
        result.gates,
        result.choice,
        examiner.confusion(best.classifier),
        examiner.drift(),
    )
    exported = publish.Exported(best.model, students.weights(taught.student), report.files(story))
    return publish.pack(folder, card, exported, examiner.holdout.inputs)


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
    """A teacher that does not know the classes, or the drift itself, teaches its mistakes."""
    accuracy, on_edge = examiner.teacher_accuracy(), examiner.teacher_on_edge(recipe)
    scores = {"teacherAccuracy": accuracy} if accuracy is not None else {}
    if on_edge is not None:
        scores |= {"teacherEdgeConfidence": on_edge[0], "teacherSelfAgreement": on_edge[1]}
    return judge_teacher(order.gates, accuracy, on_edge), {name: round(score, 4) for name, score in scores.items()}


def _unfit(result: Result) -> Outcome:
    if any(gate.name == TEACHERS_ACCURACY and not gate.passed for gate in result.gates):
        why = "the teacher does not know the labelled samples"
        advice = "are the labels in its order, and the inputs scaled as it wants them?"
    else:
        why, advice = "the teacher does not know the edge's samples", "take one that has seen such input"
    return result.outcome("TeacherUnfit", f"{why}: {_failed(result)}; {advice}")


def _rejected(result: Result, kept: str) -> Outcome:
    return result.outcome("Rejected", f"refused by {_failed(result)}{kept}")


def _failed(result: Result) -> str:
    failed = (gate for gate in result.gates if not gate.passed)
    return "; ".join(f"{gate.name}: {gate.words()}" for gate in failed)


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
