"""What a user gets from ``edgemodel bundle`` and ``edgemodel dataset``."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgemodel.bundle import CARD, GOLDEN, MODEL, Card, Lineage, Scores, Tensor
from edgemodel_registry import Client, write_bundle
from edgemodel_registry.arrays import read_arrays
from edgemodel_registry.folder import check_folder, read_card
from tests.unit.cli.conftest import CLASSES, Ended, build_model
from tests.unit.registry.real_registry import RealRegistry

Edgemodel = Callable[..., Ended]
DIGEST_LINE = re.compile(r"sha256:[0-9a-f]{64}\n")


def test_two_commands_make_a_users_model_servable(
    edgemodel: Edgemodel, registry: RealRegistry, model: Path, tmp_path: Path
) -> None:
    assert edgemodel("bundle", "create", model, "--labels", CLASSES, "-o", tmp_path / "b").code == 0
    pushed = edgemodel("bundle", "push", tmp_path / "b", registry.uri(), "--tag", "v1")
    assert Client().pull(registry.uri(), pushed.out.strip(), tmp_path / "node").files.keys() >= {MODEL, CARD, GOLDEN}
    assert Client().resolve(registry.uri(), "v1") == pushed.out.strip()


def test_push_prints_the_digest_alone_on_stdout(
    edgemodel: Edgemodel, registry: RealRegistry, model: Path, tmp_path: Path
) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    assert DIGEST_LINE.fullmatch(edgemodel("bundle", "push", tmp_path / "b", registry.uri()).out)


def test_the_digest_of_create_is_the_one_that_push_prints(
    edgemodel: Edgemodel, registry: RealRegistry, model: Path, tmp_path: Path
) -> None:
    created = edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    assert created.out == edgemodel("bundle", "push", tmp_path / "b", registry.uri()).out


def test_the_card_says_what_the_model_eats_and_answers(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "--name", "v1", "--labels", CLASSES, "-o", tmp_path / "b")
    assert read_card(tmp_path / "b") == Card(
        name="v1",
        inputs=(Tensor(name="image", datatype="FP32", shape=(-1, 1, 8, 8)),),
        outputs=(Tensor(name="scores", datatype="FP32", shape=(-1, 10)),),
        labels=tuple("0123456789"),
    )


def test_probabilities_are_noticed_so_that_nodes_take_no_second_softmax(edgemodel: Edgemodel, tmp_path: Path) -> None:
    onnx.save(build_model(softmax=True), tmp_path / "m.onnx")
    edgemodel("bundle", "create", tmp_path / "m.onnx", "-o", tmp_path / "b")
    assert read_card(tmp_path / "b").output_kind == "probabilities"


def test_logits_are_not_believed_to_be_probabilities(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    ended = edgemodel("bundle", "create", model, "--output-kind", "probabilities", "-o", tmp_path / "b")
    assert (ended.code, "do not sum to 1" in ended.err) == (1, True)


def test_golden_inputs_may_be_the_users_own(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    mine = np.full((2, 1, 8, 8), 0.5, np.float32)
    np.savez(tmp_path / "mine.npz", mine)
    edgemodel("bundle", "create", model, "--golden", tmp_path / "mine.npz", "-o", tmp_path / "b")
    np.testing.assert_array_equal(read_arrays(tmp_path / "b" / GOLDEN)["input:image"], mine)


def test_the_card_says_what_pixels_are_divided_by(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "--input-scale", "255", "-o", tmp_path / "b")
    assert "pixels        divided by 255\n" in edgemodel("bundle", "inspect", tmp_path / "b").out


def test_labels_may_come_from_a_file(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(CLASSES.replace(",", "\n"))
    edgemodel("bundle", "create", model, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "b")
    assert read_card(tmp_path / "b").labels == tuple("0123456789")


def test_a_folder_that_is_there_stays_as_it_is(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    before = check_folder(tmp_path / "b")
    assert edgemodel("bundle", "create", model, "--name", "other", "-o", tmp_path / "b").code == 1
    assert check_folder(tmp_path / "b") == before


@pytest.mark.parametrize("command", [("inspect",), ("verify",), ("push", "oci://127.0.0.1:1/digits")])
def test_a_model_where_a_bundle_is_wanted_says_how_to_make_one(
    edgemodel: Edgemodel, model: Path, command: tuple[str, ...]
) -> None:
    ended = edgemodel("bundle", command[0], model, *command[1:])
    assert (ended.code, "edgemodel bundle create" in ended.err) == (1, True)


def test_a_folder_that_cannot_be_written_is_named_without_numbers(edgemodel: Edgemodel, model: Path) -> None:
    ended = edgemodel("bundle", "create", model, "-o", "/proc/nowhere/b")
    assert re.fullmatch(r"edgemodel: /proc/nowhere.*: no such file or directory\n", ended.err)


def test_an_interrupt_leaves_no_half_written_folder(
    edgemodel: Edgemodel, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgemodel_registry.folder.write_manifest", interrupted)
    assert edgemodel("bundle", "create", model, "-o", tmp_path / "out" / "b").code == 130
    assert list((tmp_path / "out").iterdir()) == []


def save_external(path: Path) -> None:
    onnx.save(build_model(), path, save_as_external_data=True, size_threshold=0, location="weights.bin")


def save_text(path: Path) -> None:
    path.write_text("import torch\n")


def save_pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.")


def save_empty(path: Path) -> None:
    path.write_bytes(b"")


def save_unknown_operator(path: Path) -> None:
    broken = build_model()
    broken.graph.node[1].op_type = "Divinate"
    onnx.save(broken, path)


def save_free_shape(path: Path) -> None:
    onnx.save(build_model(shape=("N", 1, "height", 8)), path)


def save_nan(path: Path) -> None:
    onnx.save(build_model(bias=float("nan")), path)


def save_text_input(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "text",
        [helper.make_tensor_value_info("x", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, ["N"])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (save_external, "keeps weight 'weights' in another file"),
        (save_text, "not an ONNX file"),
        (save_pickle, "not an ONNX file"),
        (save_empty, "not an ONNX file"),
        (save_unknown_operator, "Divinate"),
        (save_free_shape, "give inputs of a real size"),
        (save_nan, "NaN"),
        (save_text_input, r"'x' is a tensor\(string\)"),
    ],
)
def test_a_model_that_cannot_be_served_is_refused_in_one_line(
    edgemodel: Edgemodel, tmp_path: Path, save: Callable[[Path], None], said: str
) -> None:
    save(tmp_path / "m.onnx")
    ended = edgemodel("bundle", "create", tmp_path / "m.onnx", "-o", tmp_path / "b")
    assert (ended.code, ended.out) == (1, "")
    assert re.fullmatch(f"edgemodel: .*{said}.*", ended.err.strip())
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--labels", "a,b"], "2 labels, and output 'scores' has 10 classes"),
        (["--labels", "a,,b"], "none empty"),
        (["--labels", "labels.txt"], "no such file"),
        (["--golden", "0"], "at least 1"),
        (["--golden", "nowhere.npz"], "no such file"),
        (["--input-scale", "0"], "want a number > 0, for example 255, got 0"),
    ],
)
def test_an_option_that_does_not_fit_is_named(
    edgemodel: Edgemodel, model: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    ended = edgemodel("bundle", "create", model, "-o", tmp_path / "b", *options)
    assert (ended.code, options[0] in ended.err, said in ended.err) == (1, True, True)


def test_golden_inputs_of_another_shape_are_refused(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", np.zeros((2, 8, 8), np.float32))
    ended = edgemodel("bundle", "create", model, "--golden", tmp_path / "mine.npz", "-o", tmp_path / "b")
    assert "want float32 [-1, 1, 8, 8], got float32 [2, 8, 8]" in ended.err


def test_verify_agrees_with_a_good_bundle(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    assert edgemodel("bundle", "verify", tmp_path / "b").code == 0


def test_verify_names_the_output_that_differs(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    card, golden = read_card(tmp_path / "b"), read_arrays(tmp_path / "b" / GOLDEN)
    write_bundle(tmp_path / "other", card, build_model(bias=0.25).SerializeToString(), golden)
    ended = edgemodel("bundle", "verify", tmp_path / "other")
    assert ended.code == 1
    assert re.search(r"output 'scores' at \[\d, \d\]: .* differs by up to 0\.25, allowed are 0\.001", ended.err)


def test_verify_names_the_file_that_was_changed(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    (tmp_path / "b" / MODEL).write_bytes(b"another")
    ended = edgemodel("bundle", "verify", tmp_path / "b")
    assert (ended.code, MODEL in ended.err) == (1, True)


def test_inspect_shows_tensors_labels_and_files(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "--labels", CLASSES, "-o", tmp_path / "b")
    shown = edgemodel("bundle", "inspect", tmp_path / "b").out
    assert all(word in shown for word in ("image", "N,1,8,8", "FP32", "0, 1, 2", "model.onnx", "KiB"))


def test_inspect_tells_where_a_student_comes_from(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    lineage = Lineage(
        teacher="sha256:" + "1" * 64,
        samples=("sha256:" + "2" * 64,),
        dataset="sha256:" + "3" * 64,
        parent="sha256:" + "4" * 64,
        config={"seed": 7, "method": {"augment": {"flip": True}}},
        code_version="0.1.2",
    )
    scores = Scores(accuracy=0.9876, worst_class_accuracy=0.9, holdout=360)
    card = read_card(tmp_path / "b").model_copy(update={"lineage": lineage, "scores": scores})
    write_bundle(tmp_path / "c", card, (tmp_path / "b" / MODEL).read_bytes(), read_arrays(tmp_path / "b" / GOLDEN))
    shown = edgemodel("bundle", "inspect", tmp_path / "c").out
    assert all(word in shown for word in ("teacher", "code version", "0.1.2", "seed 7, flip True", "accuracy 0.9876"))
    assert all(digit * 64 in shown for digit in "1234")


def test_inspect_speaks_json_to_programs(
    edgemodel: Edgemodel, registry: RealRegistry, model: Path, tmp_path: Path
) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    digest = edgemodel("bundle", "push", tmp_path / "b", registry.uri()).out.strip()
    shown = json.loads(edgemodel("bundle", "inspect", registry.uri(), "--digest", digest, "-o", "json").out)
    assert (shown["digest"], shown["card"]["outputs"][0]["shape"]) == (digest, [-1, 10])


def test_a_strangers_card_cannot_drive_the_terminal(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "--description", "\x1b]0;owned\x07 [red]hi[/red]", "-o", tmp_path / "b")
    shown = edgemodel("bundle", "inspect", tmp_path / "b").out
    assert ("\x1b" in shown, "[red]hi[/red]" in shown) == (False, True)


def test_an_address_without_a_digest_is_not_inspected(edgemodel: Edgemodel) -> None:
    ended = edgemodel("bundle", "inspect", "oci://registry.plant:5000/digits")
    assert (ended.code, "--digest" in ended.err) == (1, True)


def test_pull_brings_a_bundle_that_verifies(
    edgemodel: Edgemodel, registry: RealRegistry, model: Path, tmp_path: Path
) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    digest = edgemodel("bundle", "push", tmp_path / "b", registry.uri()).out.strip()
    edgemodel("bundle", "pull", registry.uri(), "--digest", digest, "-o", tmp_path / "pulled")
    assert edgemodel("bundle", "verify", tmp_path / "pulled").code == 0


def test_a_registry_that_is_not_there_is_one_line(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> None:
    edgemodel("bundle", "create", model, "-o", tmp_path / "b")
    ended = edgemodel("bundle", "push", tmp_path / "b", "oci://127.0.0.1:1/digits")
    assert (ended.code, ended.out) == (1, "")
    assert re.fullmatch(r"edgemodel: 127\.0\.0\.1:1: .*Connection refused", ended.err.strip())


def test_a_data_set_is_pushed_under_its_digest(edgemodel: Edgemodel, registry: RealRegistry, tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", inputs=np.zeros((6, 1, 8, 8), np.float32), labels=np.arange(6) % 3)
    pushed = edgemodel("dataset", "push", tmp_path / "digits.npz", registry.uri("data"))
    assert DIGEST_LINE.fullmatch(pushed.out)
    Client().pull(registry.uri("data"), pushed.out.strip(), tmp_path / "d")
    assert read_arrays(tmp_path / "d" / "dataset.npz")["labels"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_data_set_may_be_a_folder_with_the_same_digest(
    edgemodel: Edgemodel, registry: RealRegistry, tmp_path: Path
) -> None:
    np.savez(tmp_path / "digits.npz", inputs=np.zeros((6, 1, 8, 8), np.float32), labels=np.arange(6) % 3)
    made = edgemodel("dataset", "create", tmp_path / "digits.npz", "-o", tmp_path / "digits")
    assert made.out == edgemodel("dataset", "push", tmp_path / "digits.npz", registry.uri("data")).out
    Client().pull(f"file://{tmp_path / 'digits'}", made.out.strip(), tmp_path / "d")
    assert read_arrays(tmp_path / "d" / "dataset.npz")["labels"].tolist() == [0, 1, 2, 0, 1, 2]


def test_a_data_set_without_labels_is_refused(edgemodel: Edgemodel, tmp_path: Path) -> None:
    np.savez(tmp_path / "digits.npz", inputs=np.zeros((6, 1, 8, 8), np.float32))
    ended = edgemodel("dataset", "push", tmp_path / "digits.npz", "oci://registry.plant/data")
    assert (ended.code, "'labels'" in ended.err) == (1, True)


def test_the_installed_command_says_what_it_can_do() -> None:
    command = [sys.executable, "-m", "edgemodel_cli", "bundle", "create", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Example:" in shown
