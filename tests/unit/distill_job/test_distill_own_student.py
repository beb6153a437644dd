"""A student of one's own, named by import path: in an image, and beside the configuration file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgemodel.bundle import MODEL, STUDENT
from edgemodel_distill import errors, own, students
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.config import Recipe
from edgemodel_distill.rehearse import rehearse
from edgemodel_distill.zoo import ZOO
from edgemodel_registry import Client
from edgemodel_registry.folder import read_card
from tests.unit.distill_job import own_nets
from tests.unit.distill_job.tiny_world import World, distil

NETS = own_nets.__name__


def student(name: str, width: int = 16) -> dict[str, Any]:
    """What an order says of one of those nets."""
    return {"architecture": f"{NETS}:{name}", "width": width}


@pytest.fixture(scope="module")
def teacher(world: World) -> Classifier:
    folder = world.folder / "teacher"
    return Classifier(read_card(folder), (folder / MODEL).read_bytes(), 1, errors.TeacherInvalid)


@pytest.mark.parametrize("name", ["plain", "Tied"])
def test_what_the_image_can_import_ships_and_the_lineage_says_so(world: World, work: Path, name: str) -> None:
    outcome, _ = distil(world.change(student=student(name)), work)
    assert outcome.accepted
    config = read_card(work / "candidate").lineage.config
    assert config["architecture"] == f"{NETS}:{name}"
    assert config["source"] == own.source(f"{NETS}:{name}") != ""


def test_of_a_student_that_everyone_has_the_lineage_has_no_source(world: World) -> None:
    assert {own.source(name) for name in ZOO} == {""}
    assert "source" not in Recipe.of(world.change(), threads=1).dump()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody", f"want a function or class, and nobody is not there in {own_nets.__file__}"),
        ("number", "want a function or class, and number is 3 in "),
        ("too_few_arguments", "called with (16, (2,), 4): TypeError: too_few_arguments() takes 1 positional argument"),
        ("failing", "by zero (own_nets.py, line "),
        ("leaving", "called with (16, (2,), 4): SystemExit: 2 (own_nets.py, line "),
        ("no_network", "want a torch.nn.Module from it, got a int"),
        ("other_classes", "want logits, torch.float32 (2, 4), for inputs (2, 2), got torch.float32 (2, 5)"),
        ("other_inputs", "asked about float32 inputs (2, 2): RuntimeError: "),
        ("other_precision", "got torch.bfloat16 (2, 4)"),
        ("nothing_to_train", "want weights to train, and it has none"),
        ("Shared", "want a state of tensors, none of them shared: RuntimeError: "),
        ("Foreign", "exported to ONNX: "),
        ("FixedBatch", "as ONNX: "),
    ],
)
def test_what_is_wrong_with_it_is_told(world: World, teacher: Classifier, name: str, words: str) -> None:
    with pytest.raises(errors.BadOrder) as caught:
        rehearse(world.change(student=student(name)), teacher)
    assert str(caught.value).startswith(f"student.architecture: {NETS}:{name}: ")
    assert words in str(caught.value)


def test_it_is_told_before_any_training(world: World, work: Path) -> None:
    with pytest.raises(errors.BadOrder):
        distil(world.change(student=student("FixedBatch")), work)
    assert not (work / "checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "ModuleNotFoundError: No module named 'brought_net'"),
        ("import nobody_has_this\n", "No module named 'nobody_has_this' (brought_net.py, line 1)"),
        ("def net(:\n", "SyntaxError: invalid syntax (brought_net.py, line 1)"),
    ],
    ids=["nothing there", "wants another", "no Python"],
)
def test_a_module_that_does_not_import_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, words: str
) -> None:
    if code is not None:
        (tmp_path / "brought_net.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(errors.BadOrder) as caught:
        students.build("brought_net:net", 4, (2,), 2)
    wanted = "student.architecture: brought_net:net: want a module in the Job's image, or beside the configuration file"
    assert str(caught.value).startswith(wanted)
    assert words in str(caught.value)


# Compressed


def test_a_chain_of_ones_own_is_pruned_and_made_int8(world: World, work: Path) -> None:
    wanted = {"quantize": "Static", "prune": 0.5}
    gates = {**world.order["gates"], "maxSize": 100_000}
    outcome, _ = distil(world.change(student=student("plain", 256), compress=wanted, gates=gates), work)
    assert outcome.accepted
    whole, int8, pruned, pruned_int8 = outcome.choice
    assert [whole.name, int8.name, pruned.name, pruned_int8.name] == [
        "fp32",
        "int8-static",
        "pruned-fp32",
        "pruned-int8-static",
    ]
    assert pruned.macs <= whole.macs / 2


@pytest.mark.parametrize(
    ("name", "words"),
    [("Tied", "only layers in an nn.Sequential can lose channels"), ("Scrambled", "reads what the one before")],
)
def test_what_cannot_be_pruned_is_told(world: World, teacher: Classifier, name: str, words: str) -> None:
    with pytest.raises(errors.BadOrder, match=rf"compress\.prune: .*{words}"):
        rehearse(world.change(student=student(name), compress={"prune": 0.5}), teacher)


# Warm start


@pytest.mark.parametrize(("name", "warm"), [("plain", 1), ("Scrambled", 0)], ids=["same path", "other path"])
def test_weights_alike_are_taken_over_from_the_same_import_path_only(
    world: World, work: Path, tmp_path: Path, name: str, warm: int
) -> None:
    repository = world.repository(f"own-{name.lower()}")
    parent, _ = distil(world.change(student=student("plain"), push=repository), tmp_path / "first")
    Client().pull(repository, parent.digest, tmp_path / "pulled")
    assert students.warm_start(own.build(f"{NETS}:{name}", 16, (2,), 4), tmp_path / "pulled" / STUDENT)
    order = world.change(student=student(name), parent={"uri": repository, "digest": parent.digest}, epochs=1)
    outcome, _ = distil(order, work)
    assert outcome.scores["warmStart"] == warm


# Beside the configuration file

CODE = """\
from torch import nn


def my_net(width, input_shape, classes):
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, classes))
"""


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Path:
    """A folder with a configuration file, and a student of one's own beside it."""
    wanted = {
        "teacher": str(world.folder / "teacher"),
        "dataset": str(world.folder / "dataset"),
        "student": {"architecture": "my_nets:my_net", "width": 8},
        "epochs": 8,
        "learningRate": 0.05,
        "batchSize": 32,
        "gates": {"minAccuracy": 0.8},
        "output": "student",
    }
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "my_nets.py").write_text(CODE)
    (tmp_path / "desk" / "distill.yaml").write_text(yaml.safe_dump(wanted))
    return tmp_path / "desk"


def run(desk: Path, **changes: Any) -> tuple[int, list[dict[str, Any]]]:
    """The command, from another folder in which another module has the same name; its exit status and JSON lines."""
    config = yaml.safe_load((desk / "distill.yaml").read_text())
    (desk / "distill.yaml").write_text(yaml.safe_dump({**config, **changes}))
    (desk.parent / "my_nets.py").write_text("raise ValueError('this is not the one')\n")
    script = Path(sys.executable).with_name("edgemodel-distill")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [script, "--config", desk / "distill.yaml"],
        cwd=desk.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()]


def epochs(lines: list[dict[str, Any]]) -> list[int]:
    return [line["epoch"] for line in lines if line.get("event") == "epoch"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_file_beside_the_configuration_is_found_by_every_worker(desk: Path, workers: int) -> None:
    status, lines = run(desk, workers=workers)
    assert (status, lines[-1]["code"], epochs(lines)) == (0, "Accepted", list(range(1, 9))), lines[-1]
    assert read_card(desk / "student").lineage.config["architecture"] == "my_nets:my_net"


@pytest.mark.long
@pytest.mark.parametrize(("layer", "trained"), [("ReLU", []), ("Tanh", list(range(1, 9)))], ids=["same", "other"])
def test_the_next_run_goes_on_with_the_same_code_only(desk: Path, layer: str, trained: list[int]) -> None:
    assert run(desk, gates={"maxSize": 10})[1][-1]["code"] == "Rejected"
    (desk / "my_nets.py").write_text(CODE.replace("ReLU", layer))
    status, lines = run(desk, gates={"minAccuracy": 0.8})
    assert (status, epochs(lines)) == (0, trained)


def test_the_source_of_a_module_in_a_package_is_all_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packaged_nets"
    package.mkdir()
    (package / "__init__.py").write_text("from packaged_nets.blocks import net\n")
    (package / "blocks.py").write_text("def net(*_): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = own.source("packaged_nets:net")
    (package / "blocks.py").write_text("def net(*_): return 1\n")
    assert own.source("packaged_nets:net") != before
