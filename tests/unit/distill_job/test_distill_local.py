"""One small file and one command: an ONNX teacher and plain data give a gated student."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
import safetensors.numpy
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pyarrow import parquet
from sklearn.datasets import load_digits

from edgemodel.bundle import MODEL, Card, Tensor
from edgemodel_distill import errors, export, images, local, plain, students, work
from edgemodel_distill.__main__ import EXAMPLE, main
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.data import Labelled
from edgemodel_distill.train import seed_everything, train
from edgemodel_distill.views import Material
from edgemodel_registry import Client, TooLarge, write_dataset, write_samples
from edgemodel_registry.folder import check_folder, read_card
from edgemodel_registry.signatures import read_signatures
from edgemodel_registry.signing import check, create_key
from tests.unit.distill_job.tiny_world import LABELS, quadrant, write_linear
from tests.unit.registry.real_registry import RealRegistry

CONFIG = {
    "teacher": "teacher.onnx",
    "dataset": "points.npz",
    "labels": list(LABELS),
    "student": {"architecture": "mlp", "width": 8},
    "epochs": 8,
    "learningRate": 0.05,
    "batchSize": 32,
    "output": "student",
}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with an ONNX file, labelled points, and points without labels."""
    write_linear(tmp_path / "bundle", sharpness=6.0)
    (tmp_path / "bundle" / MODEL).rename(tmp_path / "teacher.onnx")
    points = np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype(np.float32)
    np.savez(tmp_path / "points.npz", inputs=points, labels=quadrant(points))
    np.savez(tmp_path / "seen.npz", inputs=2 * points)
    np.savez(tmp_path / "pixels.npz", inputs=np.zeros((9, 2), np.uint8))
    np.savez(tmp_path / "wide.npz", inputs=np.zeros((9, 3), np.float32))
    (tmp_path / "pictures").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "pictures" / "black.png")
    return tmp_path


@pytest.fixture
def distil(desk: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, dict]]]:
    """Runs the command with CONFIG and these changes; gives its exit status and Outcome."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(**changes: object) -> tuple[int, dict]:
        document = {name: value for name, value in {**CONFIG, **changes}.items() if value is not None}
        (desk / "distill.yaml").write_text(yaml.safe_dump(document))
        status = main(["--config", str(desk / "distill.yaml")])
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    yield call
    signal.signal(signal.SIGTERM, handler)


Distil = Callable[..., tuple[int, dict]]


def test_an_onnx_file_and_an_npz_give_a_students_bundle(desk: Path, distil: Distil) -> None:
    status, outcome = distil(samples="seen.npz")
    assert (status, outcome["code"], outcome["edgeSamples"]) == (0, "Accepted", 300)
    check_folder(desk / "student")
    assert outcome["message"].endswith(f"the student is in {desk / 'student'}")
    card = read_card(desk / "student")
    assert card.labels == LABELS
    student = Classifier(card, (desk / "student" / MODEL).read_bytes(), 1, errors.InternalError)
    points = np.random.default_rng(1).uniform(-1, 1, (300, 2)).astype(np.float32)
    assert np.mean(student.logits(points).argmax(axis=1) == quadrant(points)) > 0.9


@pytest.mark.parametrize("kind", ["safetensors", "parquet"])
def test_the_same_points_in_a_file_of_another_kind_give_the_same_student(desk: Path, distil: Distil, kind: str) -> None:
    with np.load(desk / "points.npz") as arrays:
        inputs, labels = arrays["inputs"], arrays["labels"]
    if kind == "safetensors":
        safetensors.numpy.save_file({"inputs": inputs, "labels": labels}, desk / "points.safetensors")
    else:
        parquet.write_table(pa.table({"inputs": inputs.tolist(), "labels": labels}), desk / "points.parquet")
    assert distil(dataset=f"points.{kind}")[1]["digest"] == distil()[1]["digest"]


def test_artifacts_in_a_registry_give_a_student_there(desk: Path, distil: Distil, registry: RealRegistry) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype(np.float32)
    digests = {
        "teacher": write_linear(desk / "teacher", sharpness=6.0),
        "dataset": write_dataset(desk / "dataset", "points", points, quadrant(points)),
        "samples": write_samples(desk / "samples", "hard", 2 * points, np.zeros(300, np.float32)),
        "parent": write_linear(desk / "parent", sharpness=1.0),
    }
    for what in digests:
        Client().push(desk / what, registry.uri("desk"), [what])
    given = {what: f"{registry.uri('desk')}@{digest}" for what, digest in digests.items()}
    gates = {"minAccuracy": 0.8, "maxAccuracyDrop": 0.2, "maxLatencyRatio": 50}
    status, outcome = distil(**given, labels=None, output=None, push=registry.uri("desk-students"), gates=gates)
    assert (status, outcome["edgeSamples"]) == (0, 300)
    Client().pull(registry.uri("desk-students"), outcome["digest"], desk / "pulled")
    lineage = read_card(desk / "pulled").lineage
    assert {what: getattr(lineage, what) for what in ("teacher", "dataset", "parent")} == {
        what: digests[what] for what in ("teacher", "dataset", "parent")
    }
    assert lineage.samples == (digests["samples"],)


def test_labels_in_another_order_than_the_teachers_end_with_an_exit_status_of_their_own(
    desk: Path, distil: Distil
) -> None:
    with np.load(desk / "points.npz") as arrays:
        np.savez(desk / "turned.npz", inputs=arrays["inputs"], labels=(arrays["labels"] + 1) % 4)
    status, outcome = distil(dataset="turned.npz")
    assert (status, outcome["code"]) == (3, "TeacherUnfit")
    assert not (desk / "student").exists()


def test_nothing_is_left_beside_an_accepted_student(desk: Path, distil: Distil) -> None:
    distil()
    assert list((desk / ".edgemodel-distill").iterdir()) == []


def test_an_earlier_student_is_replaced(desk: Path, distil: Distil) -> None:
    first, second = distil(), distil(seed=1)
    assert first[1]["digest"] != second[1]["digest"]
    Client().pull(f"file://{desk / 'student'}", second[1]["digest"], desk / "pulled")


def test_sigterm_while_an_earlier_student_is_replaced_leaves_the_earlier_one(
    desk: Path, distil: Distil, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = distil()
    rename = Path.rename

    def interrupted(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise errors.Terminated
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", interrupted)
    assert distil(seed=1)[1]["code"] == "Terminated"
    Client().pull(f"file://{desk / 'student'}", first["digest"], desk / "pulled")
    assert [path.name for path in desk.glob(".student.*")] == []


def test_a_refused_student_has_an_exit_status_of_its_own_and_does_not_take_the_folder(
    desk: Path, distil: Distil
) -> None:
    status, outcome = distil(gates={"maxSize": 10})
    assert (status, outcome["code"]) == (3, "Rejected")
    assert not (desk / "student").exists()


def test_a_refused_student_is_kept_to_be_looked_at(desk: Path, distil: Distil) -> None:
    _, outcome = distil(gates={"maxSize": 10})
    kept = desk / ".edgemodel-distill" / "distill" / "candidate"
    check_folder(kept)
    assert outcome["message"].endswith(f"the student is in {kept}")
    assert "| maxSize | 10 |" in (kept / "report.md").read_text()


def test_a_key_signs_the_student(desk: Path, distil: Distil) -> None:
    key = create_key(desk / "plant.key")
    _, outcome = distil(signingKey="plant.key")
    assert check(outcome["digest"], read_signatures(desk / "student"), [key.public]) == key.public


def test_a_key_that_is_not_there_is_told_before_any_training(desk: Path, distil: Distil) -> None:
    status, outcome = distil(signingKey="plant.key")
    assert (status, outcome["code"]) == (1, "BadSettings")
    assert f"{desk / 'plant.key'}: cannot be read" in outcome["message"]


def test_a_folder_that_is_no_bundle_is_never_replaced(desk: Path, distil: Distil) -> None:
    (desk / "student").mkdir()
    (desk / "student" / "thesis.txt").write_text("years of work")
    status, outcome = distil()
    assert (status, outcome["code"]) == (1, "BadOrder")
    assert (desk / "student" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"epoch": 3}, "BadOrder", "distill.yaml: epoch: no such field; did you mean epochs?"),
        ({"gates": {"minAcuracy": 1}}, "BadOrder", "gates.minAcuracy: no such field; did you mean minAccuracy?"),
        ({"method": {"augment": {"rotate": 9}}}, "BadOrder", "no such field; there are shift, flip, erase, noise"),
        ({"epochs": 0}, "BadOrder", "distill.yaml: epochs: "),
        ({"student": {"architecture": "elephant"}}, "BadOrder", "student.architecture: want mlp, tiny-cnn, separable"),
        ({"student": {"architecture": "elephant"}}, "BadOrder", "for example my_nets:my_net, got 'elephant'"),
        ({"student": {"architecture": "nobodys:net"}}, "BadOrder", "nobodys:net: want a module in the Job's image, or"),
        ({"output": None}, "BadOrder", "either output"),
        ({"push": "oci://somewhere/students"}, "BadOrder", "either output"),
        ({"teacher": "nobody.onnx"}, "TeacherMissing", "nobody.onnx"),
        ({"teacher": "points.npz"}, "TeacherInvalid", "not an ONNX model"),
        ({"teacher": "oci://a/b@sha256:" + 64 * "0"}, "BadOrder", "labels: is for a teacher that is an ONNX file"),
        ({"teacher": "oci://somewhere/teacher"}, "BadOrder", "sha256"),
        ({"dataset": "seen.npz"}, "DatasetInvalid", "want an array labels"),
        ({"dataset": "nobody.npz"}, "DatasetMissing", "nobody.npz"),
        ({"samples": "nobody.npz"}, "SamplesMissing", "nobody.npz"),
        ({"parent": "points.npz"}, "BadOrder", "parent"),
        ({"labels": ["north", "south"]}, "TeacherMismatch", "labels: want the names of the teacher's 4 classes"),
        ({"dataset": "teacher.onnx"}, "DatasetInvalid", "a file that ends in .npz, .safetensors, .parquet"),
        ({"samples": "pixels.npz"}, "SamplesInvalid", "pixels.npz: inputs: want float32, scaled as the teacher"),
        ({"samples": "wide.npz"}, "SamplesInvalid", "wide.npz: inputs: want the teacher's shape, (N, 2), got (9, 3)"),
        ({"samples": "pictures"}, "SamplesInvalid", "want a teacher whose input is (1 or 3, height, width), got (2,)"),
        ({"output": "/proc/student"}, "BadOrder", "output: /proc: want a folder that can be written"),
        ({"signingKey": "nobody.key"}, "BadSettings", "signingKey or EDGEMODEL_SIGNING_KEY: "),
    ],
)
def test_what_is_wrong_is_named(distil: Distil, changes: dict, code: str, words: str) -> None:
    status, outcome = distil(**changes)
    assert (status, outcome["code"]) == (1, code)
    assert words in outcome["message"]


def test_yaml_that_does_not_parse_names_the_line(desk: Path) -> None:
    (desk / "distill.yaml").write_text("teacher: [\n")
    with pytest.raises(errors.BadOrder, match="line 2"):
        local.read(desk / "distill.yaml")


def test_the_example_in_the_help_is_a_valid_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "distill.yaml").write_text(EXAMPLE)
    assert local.read(tmp_path / "distill.yaml")[0].epochs == 20
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "teacher: teacher.onnx" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "distill.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.setenv("EDGEMODEL_WORK", "/proc/work")  # where root may not make one either
    assert main(["--config", str(desk / "distill.yaml")]) == 1
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert outcome["code"] == "BadSettings"
    assert "EDGEMODEL_WORK: want a folder that user" in outcome["message"]
    assert "/proc/work" in outcome["message"]


def test_a_terminal_shows_gates_and_not_json(
    distil: Distil, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "distill.yaml").write_text(yaml.safe_dump(CONFIG))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["--config", str(desk / "distill.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "0 without labels" in shown
    assert "passed  minAccuracy" in shown


def test_folders_of_images_with_an_onnx_teacher_give_a_student_in_int8(
    desk: Path, distil: Distil, digits: Labelled
) -> None:
    for number, (image, label) in enumerate(zip(digits.inputs, digits.labels, strict=True)):
        folder = desk / "images" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image[0] * 255).astype(np.uint8)).save(folder / f"{number}.png")
    recipe = Recipe(
        architecture="mlp", width=32, temperature=1, alpha=0, epochs=15, learning_rate=0.01, batch_size=64, seed=0
    )
    seed_everything(recipe)
    network = students.build("mlp", 32, (1, 8, 8), 10)
    train(network, Material(digits, digits.inputs[:0], None), recipe, lambda *_: None)
    (desk / "digits.onnx").write_bytes(export.to_onnx(network, (1, 8, 8)))
    status, outcome = distil(
        teacher="digits.onnx",
        dataset="images",
        samples="images",
        labels=None,
        student={"architecture": "mlp", "width": 64},
        epochs=20,
        compress={"quantize": "Static"},
        gates={"maxSize": 12_000},  # fp32 has 20 kB, so that no measured time decides
    )
    assert (status, outcome["code"]) == (0, "Accepted")
    assert [(form["name"], form["ships"]) for form in outcome["choice"]] == [("fp32", False), ("int8-static", True)]
    assert len((desk / "student" / MODEL).read_bytes()) == outcome["choice"][1]["size"]
    card = read_card(desk / "student")
    assert (card.labels, card.input_scale) == (tuple("0123456789"), 255)


@pytest.fixture
def digits() -> Labelled:
    """600 real images from 0 to 1."""
    known = load_digits()
    return Labelled((known.images[:600, None] / 16).astype(np.float32), known.target[:600].astype(np.int64))


def test_an_image_of_another_size_or_colour_is_brought_into_the_models_shape(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGBA", (20, 10), (255, 0, 0, 255)).save(tmp_path / "a" / "red.png")
    red = images.read_labelled(tmp_path, (3, 4, 8), 255.0, ())
    assert red.inputs.shape == (1, 3, 4, 8)
    assert red.inputs[0, :, 0, 0].tolist() == [1, 0, 0]


def test_sub_folders_that_are_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    for name in ("10", "2", "1"):
        (tmp_path / name).mkdir()
    assert images.class_names(tmp_path) == ("1", "2", "10")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")
    with pytest.raises(errors.DatasetInvalid, match=r"broken\.png"):
        images.read_labelled(tmp_path, (1, 8, 8), 255.0, ())


def test_labels_that_leave_out_a_sub_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(errors.DatasetInvalid, match="cat"):
        images.read_labelled(tmp_path, (1, 8, 8), 255.0, ("dog",))


def test_fewer_sub_folders_than_a_bundles_classes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    image = Tensor(name="x", datatype="FP32", shape=(-1, 1, 8, 8))
    card = Card(name="bundle", inputs=(image,), outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 2)),))
    with pytest.raises(errors.TeacherMismatch, match="the teacher's 2 classes in its order, got 1: cat"):
        plain.dataset(tmp_path, tmp_path / "dataset", card)


def test_hidden_files_and_folders_are_neither_images_nor_classes(tmp_path: Path) -> None:
    for folder in ("a", ".ipynb_checkpoints"):
        (tmp_path / folder).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / folder / "black.png")
    (tmp_path / "a" / "._black.png").write_bytes(b"what a Mac leaves beside it")
    assert len(images.read_labelled(tmp_path, (1, 8, 8), 255.0, ())) == 1


def test_sixteen_bits_keep_their_greys(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0x8000, np.uint16)).save(tmp_path / "grey.png")
    assert images.read_unlabelled(tmp_path, (1, 8, 8), 1.0).tolist() == np.full((1, 1, 8, 8), 128).tolist()


def test_numbers_without_a_largest_one_are_no_pixels(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "half.tiff")
    with pytest.raises(errors.DatasetInvalid, match=r"half\.tiff: .*want pixels of 8 or 16 bits"):
        images.read_unlabelled(tmp_path, (1, 8, 8), 1.0)


def test_a_photo_stands_as_its_camera_says(tmp_path: Path) -> None:
    upright = Image.fromarray(np.repeat([[0], [255]], 8, axis=1).repeat(4, axis=0).astype(np.uint8))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it right by a quarter to see it upright
    turned.save(tmp_path / "a.png", exif=exif)
    assert images.read_unlabelled(tmp_path, (1, 8, 8), 1.0)[0, 0].tolist() == np.asarray(upright).tolist()


def test_sizes_are_written_as_in_the_resource(desk: Path) -> None:
    (desk / "distill.yaml").write_text(yaml.safe_dump({**CONFIG, "gates": {"maxSize": "2Mi"}}))
    assert local.read(desk / "distill.yaml")[0].gates.max_size == 2 << 20


def test_a_teacher_that_takes_one_row_at_a_time_is_a_teacher(desk: Path, distil: Distil) -> None:
    model = onnx.load(desk / "teacher.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, desk / "teacher.onnx")
    assert distil()[1]["code"] == "Accepted"


def put_weights_beside(file: Path) -> None:
    """As PyTorch's exporter does it."""
    model = onnx.load(file)
    for weight in model.graph.initializer:
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight), weight.name))
    onnx.save(model, file, save_as_external_data=True, location=f"{file.name}.data", size_threshold=0)


def test_a_teacher_whose_weights_lie_beside_it_is_read_with_them(desk: Path, distil: Distil) -> None:
    put_weights_beside(desk / "teacher.onnx")
    assert distil()[1]["code"] == "Accepted"


def test_a_teacher_without_the_weights_that_belong_to_it_names_them(desk: Path, distil: Distil) -> None:
    put_weights_beside(desk / "teacher.onnx")
    (desk / "teacher.onnx.data").unlink()
    _, outcome = distil()
    assert outcome["code"] == "TeacherInvalid"
    assert "teacher.onnx.data" in outcome["message"]


def test_a_teacher_that_answers_a_label_first_is_asked_for_its_scores(desk: Path, distil: Distil) -> None:
    model = onnx.load(desk / "teacher.onnx")
    model.graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1, keepdims=0))
    model.graph.output.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    onnx.save(model, desk / "teacher.onnx")
    assert distil()[1]["code"] == "Accepted"


def test_more_images_than_a_data_set_holds_are_told_before_any_is_read(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"not even an image")
    with pytest.raises(TooLarge, match=r"2 images of \(3, 9000, 9000\) take 1\.8 GiB: want 1 GiB or less"):
        images.read_unlabelled(tmp_path, (3, 9000, 9000), 255.0)


def test_two_runs_of_one_file_do_not_disturb_each_other(desk: Path, distil: Distil) -> None:
    progress = work.writable(desk / ".edgemodel-distill" / "distill")
    with work.alone_in(progress):  # as the other run is
        assert distil()[1]["code"] == "BadSettings"
        assert [path.name for path in progress.iterdir()] == [work.LOCK]
    assert distil()[1]["code"] == "Accepted"
