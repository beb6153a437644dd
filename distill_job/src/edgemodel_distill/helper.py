"""A worker that does not lead: it trains with what the leader gives it, and has no result of its own."""

from pathlib import Path

from edgemodel.distillation import Order
from edgemodel_distill import handout, own
from edgemodel_distill.config import Recipe
from edgemodel_distill.crew import Crew
from edgemodel_distill.progress import Watch
from edgemodel_distill.teach import Lesson, teach


def run(order: Order, work: Path, watch: Watch, threads: int, crew: Crew) -> None:
    """Train as one of `crew` until the leader is done with everything.

    Raises:
        DistillError: this worker's error, or the one that another ended with.
    """
    watch.stage("Waiting")
    recipe = Recipe.of(order, threads, crew.size, own.source(order.student.architecture))
    if crew.assemble():
        given = handout.take(crew, order, recipe)
        watch.stage("Training")
        work.mkdir(parents=True, exist_ok=True)
        teach(Lesson(order=order, recipe=recipe, given=given, work=work, watch=watch, crew=crew))
        crew.part_ways()
        crew.await_end()
