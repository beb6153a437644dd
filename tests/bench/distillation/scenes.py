"""What is claimed of distillation, each claim with what it is compared with; equal steps for all that are compared."""

import copy
from collections.abc import Iterable, Mapping

import numpy as np
from torch import nn

from edgemodel.distillation import Method
from edgemodel_distill import compress, measure, prune
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.data import Floats, Labelled
from edgemodel_distill.errors import InternalError
from edgemodel_distill.train import predict
from edgemodel_distill.views import Teacher
from tests.bench.distillation import fashion, reference
from tests.bench.distillation.ground import NOTHING, THREADS, Ground
from tests.bench.distillation.kept import Rights

LABELS_LEFT, EDGE_DATASET = 2000, 6000
PRUNED = 0.5
ROUNDS = 11


def low_label(ground: Ground, seed: int) -> Rights:
    """2,000 images with labels, 58,000 without."""
    random = np.random.default_rng(1000 + seed)
    chosen = np.zeros(len(ground.known), np.bool_)
    chosen[random.permutation(len(chosen))[:LABELS_LEFT]] = True
    few, rest = ground.known.where(chosen), ground.known.inputs[~chosen]
    epochs = ground.scale.low_epochs
    alone, distilled, everything = (ground.student(seed) for _ in range(3))
    ground.teach(few, NOTHING, None, ground.recipe(seed, epochs), alone)
    ground.teach(few, rest, ground.plain, ground.recipe(seed, epochs), distilled)
    steps = epochs * (LABELS_LEFT // 64)
    as_long = max(1, round(steps * 128 / len(ground.known)))
    ground.teach(ground.known, NOTHING, None, ground.recipe(seed, as_long, 128), everything)
    return {
        "alone": ground.right(alone),
        "distilled": ground.right(distilled),
        "all_labels": ground.right(everything),
    }


def drift(ground: Ground, seed: int) -> Rights:
    """A student that served well until the images turned; the teacher has learnt to see such images."""
    # Their views have noise: no two are the same, and answers that are kept would be in the way of others.
    hardened, plain = (asked.classifier.logits for asked in (ground.hardened, ground.plain))
    before = ground.alone(seed)
    turned = fashion.drift(ground.known.inputs[-5000:], seed=100 + seed)
    told = {
        "before": ground.right(before, ground.drifted_test),
        "clean_before": ground.right(before),
        "teacher": hardened(ground.drifted_test.inputs).argmax(axis=1) == ground.test.labels,
        "clean_teacher": hardened(ground.test.inputs).argmax(axis=1) == ground.test.labels,
    }
    for count in ground.scale.heal_samples:
        after = _healed(ground, seed, before, turned[:count], hardened)
        told |= {f"after_{count}": ground.right(after, ground.drifted_test)}
        told |= {"clean_after": ground.right(after)} if count == 500 else {}
    own: Teacher = lambda inputs: predict(before, inputs)  # noqa: E731 (one line, used once)
    for name, teacher in (("plain_teacher", plain), ("own_labels", own)):
        after = _healed(ground, seed, before, turned[:500], teacher)
        told |= {f"after_500_{name}": ground.right(after, ground.drifted_test)}
    return told


def all_labels(ground: Ground, seed: int) -> Rights:
    """Every label is there: what can a teacher still add?"""
    return {
        "alone": ground.right(ground.alone(seed)),
        "distilled": ground.right(ground.distilled(seed)),
        "teacher": ground.right_of_teacher,
    }


def reference_loop(ground: Ground, seed: int) -> Rights:
    """The Job's training and twenty plain lines, on 6,000 images."""
    some = ground.known.where(np.arange(len(ground.known)) < EDGE_DATASET)
    ours, theirs = ground.student(seed), ground.student(seed)
    recipe = ground.recipe(seed, ground.scale.heal_epochs)
    ground.teach(some, NOTHING, ground.plain, recipe, ours)
    reference.distil(theirs, some.inputs, some.labels, ground.plain(some.inputs), recipe)
    return {"job": ground.right(ours), "reference": ground.right(theirs)}


def compressed(ground: Ground, seed: int) -> Rights:
    """The distilled student in int8, pruned by half, and both."""
    whole = ground.distilled(seed)
    pruned = prune.prune(copy.deepcopy(whole), PRUNED, fashion.SHAPE)
    ground.teach(ground.known, NOTHING, ground.plain, ground.recipe_of_all(seed), pruned)
    forms = [form for family in _families(ground, whole, pruned) for form in family.forms]
    answers = {name: opened.logits(ground.test.inputs) for name, opened in _open(ground, forms).items()}
    return {name: answer.argmax(axis=1) == ground.test.labels for name, answer in answers.items()}


def times(ground: Ground) -> Mapping[str, Mapping[str, float]]:
    """Sizes, multiplications, and times over fp32's within each round: they do not depend on what was learnt."""
    whole = ground.student(seed=0)
    families = _families(ground, whole, prune.prune(copy.deepcopy(whole), PRUNED, fashion.SHAPE))
    forms = [form for family in families for form in family.forms]
    figures = {form.name: {"size": float(len(form.model))} for form in forms}
    for family in families:
        figures[family.forms[0].name]["macs"] = float(family.macs)
    opened = {**_open(ground, forms), "teacher": ground.plain.classifier}
    for batch in (1, 16):
        for name, ratios in _time_ratios(opened, batch, ground.test).items():
            low, middle, high = np.percentile(ratios, [5, 50, 95])
            figures.setdefault(name, {}).update(
                {f"time_b{batch}": middle, f"time_b{batch}_low": low, f"time_b{batch}_high": high}
            )
    return figures


def _families(ground: Ground, whole: nn.Module, pruned: nn.Module) -> tuple[compress.Family, ...]:
    calibration = ground.known.inputs[::120]
    return tuple(
        compress.family(name, network, fashion.SHAPE, "Static", calibration)
        for name, network in (("", whole), ("pruned-", pruned))
    )


def _open(ground: Ground, forms: Iterable[compress.Form]) -> dict[str, Classifier]:
    card = ground.plain.classifier.card
    return {form.name: Classifier(card, form.model, THREADS, InternalError) for form in forms}


def _healed(ground: Ground, seed: int, before: nn.Module, samples: Floats, teacher: Teacher) -> nn.Module:
    """The Job's next round: warm start, a part of the labelled set, and what the edge saw, without labels."""
    after = copy.deepcopy(before)
    known = Labelled(ground.known.inputs[:EDGE_DATASET], ground.known.labels[:EDGE_DATASET])
    ground.teach(known, samples, teacher, ground.recipe(seed, ground.scale.heal_epochs, method=Method()), after)
    return after


def _time_ratios(opened: Mapping[str, Classifier], batch: int, exam: Labelled) -> dict[str, list[float]]:
    """Time of each over that of fp32, once a round."""
    ratios: dict[str, list[float]] = {name: [] for name in opened}
    for _ in range(ROUNDS):
        taken = dict(
            zip(opened, measure.latencies([c.logits for c in opened.values()], exam.inputs[:batch]), strict=True)
        )
        for name, seconds in taken.items():
            ratios[name].append(seconds / taken["fp32"])
    return ratios
