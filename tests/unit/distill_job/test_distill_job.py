"""A distillation from order to Outcome, with a real registry."""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemodel.bundle import DATASET, MODEL, STUDENT
from edgemodel_distill import errors
from edgemodel_distill.classifier import Classifier
from edgemodel_registry import Client, write_dataset, write_samples
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_folder, read_card
from tests.unit.distill_job.tiny_world import CORNERS, GONE, LABELS, World, distil, quadrant, write_linear
from tests.unit.registry.small_registry import run_small_registry

NOBODY = "oci://127.0.0.1:1/nobody"
"""Nothing listens on port 1."""


@pytest.fixture(scope="module")
def shipped(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """Outcome, what was told on the way, and the candidate as a node would pull it."""
    outcome, told = distil(world.change(), tmp_path_factory.mktemp("work"))
    folder = tmp_path_factory.mktemp("pulled")
    Client().pull(world.order["push"], outcome.digest, folder)
    return outcome, told, folder


def test_an_accepted_student_lies_whole_in_the_registry(shipped: tuple[Any, Any, Path]) -> None:
    outcome, _, folder = shipped
    assert outcome.code == "Accepted"
    files = {MODEL, STUDENT, "bundle.json", "golden.npz", "report.md", "report.html", "drift.json"}
    assert set(check_folder(folder).files) == files


def test_the_student_learned_what_the_teacher_knows(shipped: tuple[Any, Any, Path]) -> None:
    outcome, _, folder = shipped
    points = np.random.default_rng(9).uniform(-3, 3, (500, 2)).astype(np.float32)
    student = Classifier(read_card(folder), (folder / MODEL).read_bytes(), 1, errors.InternalError)
    assert np.mean(student.logits(points).argmax(axis=1) == quadrant(points)) > 0.95
    assert outcome.scores["edgeAgreement"] > 0.9


def test_edge_samples_are_counted_and_tags_that_do_not_exist_are_skipped(shipped: tuple[Any, Any, Path]) -> None:
    outcome, _, folder = shipped
    assert outcome.edge_samples == 200
    assert len(read_card(folder).lineage.samples) == 2


def test_all_gates_report_their_numbers(shipped: tuple[Any, Any, Path]) -> None:
    outcome, _, _ = shipped
    assert len(outcome.gates) == 14
    assert all(gate.passed for gate in outcome.gates)


def test_the_card_tells_labels_scores_and_where_the_student_comes_from(
    world: World, shipped: tuple[Any, Any, Path]
) -> None:
    card = read_card(shipped[2])
    assert (card.labels, card.input_scale, card.output_kind) == (LABELS, 2.0, "logits")
    assert card.scores.accuracy > 0.9
    assert card.lineage.teacher == world.order["teacher"]["digest"]
    assert card.lineage.dataset == world.order["dataset"]["digest"]
    assert card.lineage.parent == world.order["parent"]["digest"]
    assert (card.lineage.config["alpha"], card.lineage.config["seed"]) == (0.9, 0)
    assert card.lineage.code_version == version("edgemodel-distill")


def test_the_golden_batch_is_what_the_model_answers(shipped: tuple[Any, Any, Path]) -> None:
    folder = shipped[2]
    golden = read_arrays(folder / "golden.npz")
    student = Classifier(read_card(folder), (folder / MODEL).read_bytes(), 1, errors.InternalError)
    assert np.array_equal(student.logits(golden["input:input"]), golden["output:logits"])


def test_every_epoch_is_told(shipped: tuple[Any, Any, Path]) -> None:
    _, told, _ = shipped
    assert [report.epoch for report in told.epochs] == list(range(1, 9))
    assert told.epochs[-1].percent == 100
    assert told.epochs[-1].loss < told.epochs[0].loss


def test_the_same_order_gives_the_same_student_byte_for_byte(
    world: World, shipped: tuple[Any, Any, Path], work: Path
) -> None:
    again, _ = distil(world.change(), work)
    assert again.digest == shipped[0].digest


def test_another_seed_gives_another_student(world: World, shipped: tuple[Any, Any, Path], work: Path) -> None:
    other, _ = distil(world.change(seed=1), work)
    assert other.digest != shipped[0].digest


def test_the_next_round_starts_from_the_serving_students_weights(
    world: World, shipped: tuple[Any, Any, Path], work: Path
) -> None:
    parent = {"uri": world.order["push"], "digest": shipped[0].digest}
    outcome, told = distil(world.change(parent=parent, learningRate=1e-6), work)
    assert outcome.scores["warmStart"] == 1
    assert told.epochs[0].holdout_accuracy == pytest.approx(shipped[0].scores["accuracy"], abs=1e-3)


def test_a_first_student_needs_neither_parent_nor_samples(world: World, work: Path) -> None:
    outcome, told = distil(world.change(parent=None, samples=None), work)
    assert (outcome.code, outcome.edge_samples) == ("Accepted", 0)
    assert told.epochs[-1].edge_agreement is None


def test_a_teacher_that_answers_probabilities_teaches_as_well(world: World, work: Path, tmp_path: Path) -> None:
    digest = write_linear(tmp_path / "soft", sharpness=6.0, kind="probabilities")
    outcome, _ = distil(world.change(teacher={"uri": f"file://{tmp_path / 'soft'}", "digest": digest}), work)
    assert outcome.code == "Accepted"


def test_a_refused_student_is_reported_with_its_numbers_and_lies_apart_from_those_that_serve(
    world: World, work: Path, tmp_path: Path
) -> None:
    order = world.change(push=world.repository("refused"), gates={**world.order["gates"], "maxSize": 10})
    outcome, _ = distil(order, work)
    assert (outcome.code, outcome.digest) == ("Rejected", None)
    assert [gate.name for gate in outcome.gates if not gate.passed] == ["maxSize"]
    assert "maxSize: want 10" in outcome.message
    (tag,) = {path.parent.parent.name for path in world.manifests("refused") if path.parent.name == "current"}
    assert tag.startswith("refused-")
    assert outcome.message.endswith(f"to be looked at it is {order.push}:{tag}")
    Client().pull(order.push, Client().resolve(order.push, tag), tmp_path / "pulled")
    assert "Refused by maxSize: not shipped." in (tmp_path / "pulled" / "report.md").read_text()


def test_a_refused_student_stays_refused_where_the_registry_does_not_take_it(world: World, work: Path) -> None:
    outcome, _ = distil(world.change(push=NOBODY, gates={"maxSize": 10}), work)
    assert outcome.code == "Rejected"
    assert "it could not be kept to be looked at" in outcome.message


def test_edge_samples_of_which_the_teacher_is_unsure_are_not_trained_on(world: World, work: Path) -> None:
    sure = world.change(epochs=1, method={"minConfidence": 0.999}, push=world.repository("sure-ones"))
    outcome, told = distil(sure, work)
    assert outcome.edge_samples == 200
    assert 100 < told.data_report.edge < 180


def test_what_two_nodes_and_the_data_set_repeat_counts_once(world: World, work: Path, tmp_path: Path) -> None:
    sink = world.repository("repeated-samples")
    for tag in ("one", "two"):
        inputs = np.random.default_rng(0).uniform(-3, 3, (50, 2)).astype(np.float32)
        write_samples(tmp_path / tag, "hard", inputs, np.zeros(50, np.float32))
        Client().push(tmp_path / tag, sink, [tag])
    known = np.repeat(np.random.default_rng(1).uniform(-1, 1, (200, 2)).astype(np.float32), 2, axis=0)
    digest = write_dataset(tmp_path / "twice", "points", known, quadrant(known))
    dataset = {"uri": f"file://{tmp_path / 'twice'}", "digest": digest}
    _, told = distil(world.change(samples={"sink": sink, "tags": ["one", "two"]}, dataset=dataset, epochs=1), work)
    data = told.data_report
    assert (data.training + data.holdout, data.edge, data.repeated) == (200, 50, 250)


def test_a_training_without_gain_stops_early(world: World, work: Path) -> None:
    order = world.change(method={"patience": 3}, epochs=300, learningRate=0.5, push=world.repository("early"))
    _, told = distil(order, work)
    assert 3 < len(told.epochs) < 300


def test_a_node_that_pushed_rubbish_does_not_spoil_the_others_samples(world: World, work: Path, tmp_path: Path) -> None:
    sink = world.repository("mixed-samples")
    for tag, features in (("good", 2), ("rubbish", 3)):
        inputs = np.random.default_rng(0).normal(size=(50, features)).astype(np.float32)
        write_samples(tmp_path / tag, "hard", inputs, np.zeros(50, np.float32))
        Client().push(tmp_path / tag, sink, [tag])
    outcome, _ = distil(world.change(samples={"sink": sink, "tags": ["good", "rubbish"]}), work)
    assert (outcome.code, outcome.edge_samples) == ("Accepted", 50)
    assert "samples left out: rubbish" in outcome.message


@pytest.mark.parametrize(
    ("artifact", "code"),
    [
        ("teacher", errors.TeacherMissing),
        ("dataset", errors.DatasetMissing),
        ("parent", errors.ParentMissing),
    ],
)
def test_an_artifact_that_is_not_there_is_named(
    world: World, work: Path, artifact: str, code: type[errors.DistillError]
) -> None:
    with pytest.raises(code, match=artifact):
        distil(world.change(**{artifact: {"uri": world.repository("world"), "digest": GONE}}), work)


def test_a_data_set_whose_bytes_changed_is_corrupt(world: World, work: Path, tmp_path: Path) -> None:
    shutil.copytree(world.folder / "dataset", tmp_path / "changed")
    with (tmp_path / "changed" / DATASET).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")
    changed = {**world.order["dataset"], "uri": f"file://{tmp_path / 'changed'}"}
    with pytest.raises(errors.ArtifactCorrupt, match=DATASET):
        distil(world.change(dataset=changed), work)


def test_a_registry_that_does_not_answer_is_worth_another_try(world: World, work: Path) -> None:
    with pytest.raises(errors.RegistryUnreachable) as caught:
        distil(world.change(teacher={"uri": NOBODY, "digest": GONE}), work)
    assert caught.value.retryable


def test_a_push_that_fails_is_an_error_and_not_an_accepted_student(world: World, work: Path) -> None:
    with pytest.raises(errors.RegistryUnreachable, match="push"):
        distil(world.change(push=NOBODY), work)


def test_a_registry_that_goes_away_in_the_middle_of_a_push_has_no_student_and_the_next_run_trains_nothing(
    world: World, work: Path
) -> None:
    with run_small_registry() as registry:
        registry.takes = 3
        order = world.change(push=registry.uri())
        with pytest.raises(errors.RegistryUnreachable, match="push"):
            distil(order, work)
        assert (len(registry.blobs), registry.manifests) == (3, {})
        registry.takes = None
        outcome, told = distil(order, work)
        assert (outcome.accepted, told.epochs) == (True, [])
        assert outcome.digest in registry.manifests


def test_a_sink_that_does_not_answer_is_not_taken_for_an_empty_one(world: World, work: Path) -> None:
    with pytest.raises(errors.RegistryUnreachable, match="samples"):
        distil(world.change(samples={"sink": NOBODY, "tags": ["one"]}), work)


def test_a_teacher_of_another_shape_than_the_data_set_is_refused(world: World, work: Path, tmp_path: Path) -> None:
    digest = write_linear(tmp_path / "other", sharpness=1.0, features=3)
    with pytest.raises(errors.TeacherMismatch, match="the teacher"):
        distil(world.change(teacher={"uri": f"file://{tmp_path / 'other'}", "digest": digest}), work)


def test_a_label_that_the_teacher_does_not_know_is_refused(world: World, work: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    digest = write_dataset(tmp_path / "other", "points", points, np.arange(100) % 5)
    with pytest.raises(errors.TeacherMismatch, match="labels: want 0 to 3, got 4"):
        distil(world.change(dataset={"uri": f"file://{tmp_path / 'other'}", "digest": digest}), work)


def test_a_class_without_samples_is_learnt_from_the_teacher_alone(world: World, work: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype(np.float32)
    points = points[quadrant(points) < 3]
    digest = write_dataset(tmp_path / "other", "points", points, quadrant(points))
    outcome, told = distil(world.change(dataset={"uri": f"file://{tmp_path / 'other'}", "digest": digest}), work)
    assert (outcome.code, told.data_report.per_class[3]) == ("Accepted", 0)


def test_labels_in_another_order_than_the_teachers_end_the_run_before_the_training(
    world: World, work: Path, tmp_path: Path
) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype(np.float32)
    digest = write_dataset(tmp_path / "other", "points", points, (quadrant(points) + 1) % 4)
    outcome, told = distil(world.change(dataset={"uri": f"file://{tmp_path / 'other'}", "digest": digest}), work)
    assert (outcome.code, told.epochs) == ("TeacherUnfit", [])
    assert outcome.scores["teacherAccuracy"] == 0
    assert "are the labels in its order" in outcome.message


def test_a_serving_student_of_another_kind_is_refused(world: World, work: Path, tmp_path: Path) -> None:
    digest = write_linear(tmp_path / "other", sharpness=1.0, classes=5)
    with pytest.raises(errors.ParentMismatch, match="the serving student"):
        distil(world.change(parent={"uri": f"file://{tmp_path / 'other'}", "digest": digest}), work)


def test_a_teacher_whose_answers_overflow_ends_the_training_with_a_code(
    world: World, work: Path, tmp_path: Path
) -> None:
    digest = write_linear(tmp_path / "loud", sharpness=3e38)
    with pytest.raises(errors.NanLoss, match="epoch 1"):
        distil(world.change(teacher={"uri": f"file://{tmp_path / 'loud'}", "digest": digest}, samples=None), work)


def test_a_teacher_that_is_not_sure_of_the_edges_samples_trains_nobody(
    world: World, work: Path, tmp_path: Path
) -> None:
    digest = write_linear(tmp_path / "unsure", sharpness=0.1)
    order = world.change(
        teacher={"uri": f"file://{tmp_path / 'unsure'}", "digest": digest}, push=world.repository("unfit")
    )
    outcome, told = distil(order, work)
    assert (outcome.code, told.epochs, world.manifests("unfit")) == ("TeacherUnfit", [], [])
    assert [gate.name for gate in outcome.gates if not gate.passed] == ["minTeacherConfidence"]
    assert outcome.scores["teacherEdgeConfidence"] < 0.6
    assert "minTeacherConfidence: want 0.6" in outcome.message


def test_a_teacher_whose_mind_noise_changes_trains_nobody(world: World, work: Path) -> None:
    sink = world.repository("boundary-samples")
    near = np.random.default_rng(0).normal(0, [0.01, 3], (60, 2)).astype(np.float32)
    write_samples(work / "boundary", "hard", near, np.zeros(60, np.float32))
    Client().push(work / "boundary", sink, ["one"])
    outcome, _ = distil(world.change(samples={"sink": sink, "tags": ["one"]}), work)
    assert (outcome.code, outcome.edge_samples) == ("TeacherUnfit", 60)
    assert outcome.scores["teacherSelfAgreement"] < 0.8


def test_a_handful_of_edge_samples_does_not_condemn_a_teacher(world: World, work: Path, tmp_path: Path) -> None:
    sink = world.repository("few-samples")
    write_samples(tmp_path / "few", "hard", np.zeros((5, 2), np.float32), np.zeros(5, np.float32))
    Client().push(tmp_path / "few", sink, ["one"])
    outcome, _ = distil(world.change(samples={"sink": sink, "tags": ["one"]}), work)
    assert outcome.code == "Accepted"


def test_a_data_set_of_one_class_is_refused(world: World, work: Path, tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).uniform(0, 1, (40, 2)).astype(np.float32)
    digest = write_dataset(tmp_path / "one", "one", inputs, np.zeros(40, np.int64))
    with pytest.raises(errors.DatasetInvalid, match="two classes"):
        distil(world.change(dataset={"uri": f"file://{tmp_path / 'one'}", "digest": digest}), work)


def test_a_data_set_that_is_too_small_to_examine_with_is_refused(world: World, work: Path, tmp_path: Path) -> None:
    inputs = CORNERS
    digest = write_dataset(tmp_path / "few", "few", inputs, np.arange(4))
    with pytest.raises(errors.DatasetInvalid, match="enough samples"):
        distil(world.change(dataset={"uri": f"file://{tmp_path / 'few'}", "digest": digest}), work)


def test_a_bundle_without_a_model_is_no_teacher(world: World, work: Path) -> None:
    with pytest.raises(errors.TeacherInvalid, match="not a bundle with a model"):
        distil(world.change(teacher=world.order["dataset"]), work)


def test_a_convolution_for_points_is_a_bad_order(world: World, work: Path) -> None:
    with pytest.raises(errors.BadOrder, match=r"student\.architecture: tiny-cnn: it wants images"):
        distil(world.change(student={"architecture": "tiny-cnn"}), work)


def test_a_work_folder_with_what_an_earlier_run_left_is_no_obstacle(world: World, work: Path) -> None:
    first, _ = distil(world.change(), work)
    second, _ = distil(world.change(), work)
    assert first.digest == second.digest
