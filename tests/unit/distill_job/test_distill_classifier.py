"""Teachers and serving students are asked through one door."""

from pathlib import Path

import numpy as np
import pytest

from edgemodel_distill.classifier import Classifier
from edgemodel_distill.errors import TeacherInvalid
from edgemodel_registry.folder import read_card
from tests.unit.distill_job.tiny_world import write_linear

POINTS = np.random.default_rng(0).normal(size=(600, 2)).astype(np.float32)


def opened(folder: Path, **changes: object) -> Classifier:
    card = read_card(folder).model_copy(update=changes)
    return Classifier(card, (folder / "model.onnx").read_bytes(), 1, TeacherInvalid)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_linear(tmp_path / "linear", sharpness=1.0)
    return tmp_path / "linear"


def test_shape_and_classes_are_the_models_own(bundle: Path) -> None:
    classifier = opened(bundle)
    assert (classifier.input_shape, classifier.classes) == ((2,), 4)


def test_a_large_set_is_answered_row_by_row_as_a_small_one(bundle: Path) -> None:
    classifier = opened(bundle)
    assert np.allclose(classifier.logits(POINTS)[-1:], classifier.logits(POINTS[-1:]))


def test_probabilities_become_logits_that_soften_to_the_same_classes(tmp_path: Path, bundle: Path) -> None:
    write_linear(tmp_path / "soft", sharpness=1.0, kind="probabilities")
    from_probabilities, from_logits = opened(tmp_path / "soft").logits(POINTS), opened(bundle).logits(POINTS)
    difference = from_probabilities - from_logits
    assert np.allclose(difference, difference[:, :1], atol=1e-4)


def test_a_probability_of_zero_stays_a_finite_logit(tmp_path: Path) -> None:
    write_linear(tmp_path / "sure", sharpness=1000.0, kind="probabilities")
    assert np.isfinite(opened(tmp_path / "sure").logits(POINTS)).all()


def test_a_model_that_is_no_onnx_is_refused(bundle: Path) -> None:
    with pytest.raises(TeacherInvalid, match="does not open"):
        Classifier(read_card(bundle), b"rubbish", 1, TeacherInvalid)


def test_a_card_that_promises_another_shape_than_the_model_has_is_refused(bundle: Path) -> None:
    tensor = read_card(bundle).inputs[0].model_copy(update={"shape": (-1, 3)})
    with pytest.raises(TeacherInvalid, match="the model fails"):
        opened(bundle, inputs=(tensor,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"output_kind": "other"}, "want logits or probabilities"), ({"inputs": ()}, "want one FP32 input")],
)
def test_what_is_no_classifier_is_refused(bundle: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TeacherInvalid, match=message):
        opened(bundle, **changes)


def test_a_free_dimension_besides_the_batch_is_refused(bundle: Path) -> None:
    tensor = read_card(bundle).inputs[0].model_copy(update={"shape": (-1, -1)})
    with pytest.raises(TeacherInvalid, match="want fixed sizes after the batch"):
        opened(bundle, inputs=(tensor,))
