"""The models and data of the demo and the tests, made from scikit-learn's digits: 1,797 real images of 8 x 8 pixels.

    python -m lab.digits OUT_DIR

`teacher` copes with rotation and noise. `v1` is small, knows clean digits only, and loses accuracy and confidence when
the input drifts. `v2` was trained on shuffled labels. `v3` is a wider student that has seen drift: a legitimate
upgrade. The images are divided once: `dataset` is labelled and trained on; `traffic-*.npz` is what a load generator
sends, so the edge keeps some of it as unlabelled samples; `clean.npz` and `drifted.npz` are for examination only and
are in no training in any form.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from sklearn.datasets import load_digits

import edgemodel_distill
from edgemodel.bundle import MODEL, Card, Scores, Tensor
from edgemodel_distill import export, measure, students
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import HOLDOUT, Recipe
from edgemodel_distill.data import Floats, Labelled, in_holdout
from edgemodel_distill.errors import InternalError
from edgemodel_distill.train import seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry import write_bundle, write_dataset
from edgemodel_registry.arrays import pack_arrays, read_arrays
from edgemodel_registry.folder import read_card

SHAPE, CLASSES = (1, 8, 8), 10
LABELLED, TRAFFIC = 1000, 400
"""Images in the data set and in the traffic; the rest is for examination."""
DRIFT_DEGREES, DRIFT_NOISE = 25.0, 0.1
HARD_DEGREES, HARD_NOISE = 40.0, 0.2
"""What the teacher and v3 are hardened against: any rotation up to this, any noise up to this."""
MODELS = ("teacher", "v1", "v2", "v3")
STAMP = "prepared.json"


@dataclass(frozen=True, slots=True)
class Scored:
    """How a model does on the examination sets."""

    clean_accuracy: float
    clean_confidence: float
    drifted_accuracy: float
    drifted_confidence: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies in `folder`: artifact folders by name with their digests, and what the models are worth."""

    folder: Path
    digests: dict[str, str]
    scores: dict[str, Scored]


@dataclass(frozen=True, slots=True)
class Images:
    """The digits, divided."""

    labelled: Labelled
    traffic: Labelled
    exam: Labelled


def prepare(out: Path) -> Prepared:
    """Make everything in `out`, or return at once where it was made by this very code."""
    stamp = _code_digest()
    known = _read_stamp(out, stamp)
    if known is not None:
        return known
    for name in (*MODELS, "dataset"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / STAMP).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    images = divide()
    _write_sets(out, images)
    digests = {"dataset": write_dataset(out / "dataset", "digits", images.labelled.inputs, images.labelled.labels)}
    digests |= _write_models(out, images)
    prepared = Prepared(out, digests, {name: score(out / name, out) for name in MODELS})
    (out / STAMP).write_text(
        json.dumps({"stamp": stamp, "digests": digests, "scores": {n: asdict(s) for n, s in prepared.scores.items()}})
    )
    return prepared


def divide() -> Images:
    """The digits as float32 (N, 1, 8, 8) from 0 to 1, in three parts that share no image."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    inputs = (digits.images[order, None] / 16).astype(np.float32)
    everything = Labelled(inputs, digits.target[order].astype(np.int64))
    part = np.digitize(np.arange(len(everything)), [LABELLED, LABELLED + TRAFFIC])
    return Images(*(everything.where(part == number) for number in range(3)))


def drift(images: Labelled, seed: int) -> Labelled:
    """The images turned by 25 degrees, with noise: what a camera that was knocked sees."""
    random = np.random.default_rng(seed)
    return Labelled(_disturb(images.inputs, [DRIFT_DEGREES] * len(images), DRIFT_NOISE, random), images.labels)


def harden(images: Labelled, copies: int, seed: int) -> Labelled:
    """The images, and `copies` of each turned by up to 40 degrees either way with some noise."""
    random = np.random.default_rng(seed)
    views = [images.inputs]
    for _ in range(copies):
        degrees = random.uniform(-HARD_DEGREES, HARD_DEGREES, len(images))
        noise = random.uniform(0, HARD_NOISE, (len(images), 1, 1, 1))
        views.append(_disturb(images.inputs, degrees, noise, random))
    return Labelled(np.concatenate(views), np.tile(images.labels, copies + 1))


def score(bundle: Path, sets: Path) -> Scored:
    """Examine the model in the folder `bundle` with the examination sets in the folder `sets`."""
    classifier = Classifier(read_card(bundle), (bundle / MODEL).read_bytes(), 1, InternalError)
    numbers = []
    for name in ("clean", "drifted"):
        exam = read_arrays(sets / f"{name}.npz")
        logits = classifier.logits(exam["inputs"])
        numbers += [measure.accuracy(logits, exam["labels"]), measure.confidence(logits)]
    return Scored(*numbers)


def table(prepared: Prepared) -> str:
    """The models' scores, for people."""
    lines = [f"{'model':10}{'clean':>18}{'drifted':>18}", f"{'':10}{'accuracy conf.':>18}{'accuracy conf.':>18}"]
    for name, s in prepared.scores.items():
        clean = f"{s.clean_accuracy:.3f} {s.clean_confidence:.3f}"
        drifted = f"{s.drifted_accuracy:.3f} {s.drifted_confidence:.3f}"
        lines.append(f"{name:10}{clean:>18}{drifted:>18}")
    return "\n".join(lines)


def _disturb(
    inputs: Floats, degrees: Iterable[float], noise: "float | np.ndarray", random: np.random.Generator
) -> Floats:
    turned = [
        ndimage.rotate(image[0], angle, reshape=False, order=1) for image, angle in zip(inputs, degrees, strict=True)
    ]
    noisy = np.stack(turned)[:, None] + noise * random.normal(size=inputs.shape)
    return np.clip(noisy, 0, 1).astype(np.float32)


def _write_sets(out: Path, images: Images) -> None:
    sets = {
        "clean": images.exam,
        "drifted": drift(images.exam, seed=1),
        "traffic-clean": images.traffic,
        "traffic-drifted": drift(images.traffic, seed=2),
    }
    for name, part in sets.items():
        (out / f"{name}.npz").write_bytes(pack_arrays({"inputs": part.inputs, "labels": part.labels}))


def _write_models(out: Path, images: Images) -> dict[str, str]:
    # What a distillation examines its students with, these models must not have learnt by heart.
    labelled = images.labelled.where(~in_holdout(images.labelled.inputs, HOLDOUT))
    shuffled = Labelled(labelled.inputs, np.random.default_rng(3).permutation(labelled.labels))
    plans = {
        "teacher": (harden(labelled, 10, seed=4), _recipe("tiny-cnn", 16, epochs=8, rate=0.004, batch=128)),
        "v1": (labelled, _recipe("mlp", 64, epochs=40)),
        "v2": (shuffled, _recipe("mlp", 64, epochs=5)),
        "v3": (harden(labelled, 4, seed=5), _recipe("mlp", 128, epochs=25)),
    }
    return {name: _write_model(out / name, *plan, images.exam) for name, plan in plans.items()}


def _recipe(architecture: str, width: int, *, epochs: int, rate: float = 0.005, batch: int = 64) -> Recipe:
    return Recipe(
        architecture=architecture,
        width=width,
        temperature=1.0,
        alpha=0.0,
        epochs=epochs,
        learning_rate=rate,
        batch_size=batch,
        seed=0,
    )


def _write_model(folder: Path, labelled: Labelled, recipe: Recipe, exam: Labelled) -> str:
    """Train on `labelled` without a teacher, and write the bundle `folder`."""
    seed_everything(recipe)
    student = students.build(recipe.architecture, recipe.width, SHAPE, CLASSES)
    train(student, Material(labelled, exam.inputs[:0], None), recipe, lambda *_: None)
    model = export.to_onnx(student, SHAPE)
    card = Card(
        name=f"digits-{folder.name}",
        description=f"{recipe.architecture} of width {recipe.width} for 8 x 8 images of digits",
        inputs=(Tensor(name=export.INPUT, datatype="FP32", shape=(-1, *SHAPE)),),
        outputs=(Tensor(name=export.OUTPUT, datatype="FP32", shape=(-1, CLASSES)),),
        labels=tuple("0123456789"),
        input_scale=255.0,
    )
    classifier = Classifier(card, model, 1, InternalError)
    logits = classifier.logits(exam.inputs)
    scores = Scores(
        accuracy=measure.accuracy(logits, exam.labels),
        worst_class_accuracy=measure.worst_class_accuracy(logits, exam.labels),
        holdout=len(exam),
    )
    golden = exam.inputs[:8]
    arrays = {f"input:{export.INPUT}": golden, f"output:{export.OUTPUT}": classifier.logits(golden)}
    files = {"student.safetensors": students.weights(student)}
    return write_bundle(folder, card.model_copy(update={"scores": scores}), model, arrays, files)


def _read_stamp(out: Path, stamp: str) -> Prepared | None:
    try:
        record = json.loads((out / STAMP).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if record.get("stamp") != stamp:
        return None
    return Prepared(out, record["digests"], {name: Scored(**scores) for name, scores in record["scores"].items()})


def _code_digest() -> str:
    digest = hashlib.sha256(f"{torch.__version__} {np.__version__}".encode())
    digest.update(Path(__file__).read_bytes())
    for name in ("batches", "config", "data", "export", "losses", "running", "students", "train", "views", "zoo"):
        digest.update((Path(edgemodel_distill.__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Make everything and print what the models are worth."""
    parser = argparse.ArgumentParser(prog="python -m lab.digits", description="Models and data of the demo.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    prepared = prepare(parser.parse_args().out)
    sys.stdout.write(table(prepared) + "\n")
    for name, digest in prepared.digests.items():
        sys.stdout.write(f"{name:10}{digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
