"""What is claimed of distillation, each claim with what it is compared with; equal steps for all that are compared."""

import copy
from collections.abc import Mapping

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
from tests.bench.distillation.ground import Ground, Right

LABELS_LEFT, EDGE_DATASET = 2000, 6000
ROUNDS = 11

Rights = Mapping[str, Right]
NOTHING: Floats = np.empty((0, *fashion.SHAPE), np.float32)


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
    hardened = ground.hardened
    if hardened is None:
        raise FileNotFoundError("the hardened teacher")
    before = ground.student(seed)
    ground.teach(ground.known, NOTHING, None, ground.recipe(seed, ground.scale.all_epochs, 128), before)
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
    for name, teacher in (("plain_teacher", ground.plain), ("own_labels", own)):
        after = _healed(ground, seed, before, turned[:500], teacher)
        told |= {f"after_500_{name}": ground.right(after, ground.drifted_test)}
    return told


def all_labels(ground: Ground, seed: int) -> Rights:
    """Every label is there: what can a teacher still add?"""
    recipe = ground.recipe(seed, ground.scale.all_epochs, 128, ground.scale.method)
    alone, distilled = ground.student(seed), ground.student(seed)
    ground.teach(ground.known, NOTHING, None, recipe, alone)
    ground.teach(ground.known, NOTHING, ground.plain, recipe, distilled)
    teacher = ground.plain(ground.test.inputs).argmax(axis=1) == ground.test.labels
    return {"alone": ground.right(alone), "distilled": ground.right(distilled), "teacher": teacher}


def reference_loop(ground: Ground, seed: int) -> Rights:
    """The Job's training and twenty plain lines, on 6,000 images."""
    some = ground.known.where(np.arange(len(ground.known)) < EDGE_DATASET)
    ours, theirs = ground.student(seed), ground.student(seed)
    recipe = ground.recipe(seed, ground.scale.heal_epochs)
    ground.teach(some, NOTHING, ground.plain, recipe, ours)
    reference.distil(theirs, some.inputs, some.labels, ground.plain(some.inputs), recipe)
    return {"job": ground.right(ours), "reference": ground.right(theirs)}


def compressed(ground: Ground, seed: int) -> tuple[Rights, Mapping[str, Mapping[str, float]]]:
    """int8, pruned by half, and both: accuracy, size, and time over the fp32 student's within each round."""
    whole = ground.student(seed)
    recipe = ground.recipe(seed, ground.scale.all_epochs, 128)
    ground.teach(ground.known, NOTHING, ground.plain, recipe, whole)
    pruned = prune.prune(copy.deepcopy(whole), 0.5, fashion.SHAPE)
    ground.teach(ground.known, NOTHING, ground.plain, ground.recipe(seed, ground.scale.prune_epochs, 128), pruned)
    calibration = ground.known.inputs[::120]
    families = {
        name: compress.family(name, network, fashion.SHAPE, "Static", calibration)
        for name, network in (("", whole), ("pruned-", pruned))
    }
    forms = [form for family in families.values() for form in family.forms]
    opened = {f.name: Classifier(ground.plain.classifier.card, f.model, ground.threads, InternalError) for f in forms}
    rights = {n: c.logits(ground.test.inputs).argmax(axis=1) == ground.test.labels for n, c in opened.items()}
    figures = {form.name: {"size": float(len(form.model))} for form in forms}
    for batch in (1, 16):
        for name, ratios in _time_ratios({**opened, "teacher": ground.plain.classifier}, batch, ground.test).items():
            low, middle, high = np.percentile(ratios, [5, 50, 95])
            figures.setdefault(name, {}).update(
                {f"time_b{batch}": middle, f"time_b{batch}_low": low, f"time_b{batch}_high": high}
            )
    for name, family in families.items():
        figures[f"{name}fp32"]["macs"] = float(family.macs)
    return rights, figures


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
