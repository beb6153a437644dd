"""int8 ships where it is a gain, and the table says why."""

import dataclasses
import re
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from edgemodel.bundle import MODEL, STUDENT, Card, Tensor
from edgemodel.distillation import GateSettings
from edgemodel_distill import compress, errors, export, measure, students
from edgemodel_distill.candidates import Candidate, choose
from edgemodel_distill.classifier import Classifier
from edgemodel_distill.data import Floats
from edgemodel_distill.gates import Measured, judge
from edgemodel_registry import Client
from edgemodel_registry.folder import check_folder, read_card
from tests.unit.distill_job.tiny_world import World, distil

GATES = GateSettings(min_accuracy=0.9, max_size=1000)
PLAIN = Measured(
    accuracy=0.95,
    worst_class_accuracy=0.9,
    agreement=0.9,
    calibration_error=0.1,
    size=900,
    non_finite=0,
    export_difference=0.0,
)
MULTI = re.MULTILINE | re.DOTALL
INT8 = dataclasses.replace(PLAIN, size=300)


def card(shape: tuple[int, ...] = (1, 16, 16)) -> Card:
    return Card(
        name="student",
        inputs=(Tensor(name=export.INPUT, datatype="FP32", shape=(-1, *shape)),),
        outputs=(Tensor(name=export.OUTPUT, datatype="FP32", shape=(-1, 10)),),
    )


@pytest.fixture(scope="module")
def exported() -> bytes:
    torch.manual_seed(0)
    return export.to_onnx(students.build("tiny-cnn", 16, (1, 16, 16), 10), (1, 16, 16))


@pytest.fixture(scope="module")
def classifier(exported: bytes) -> Classifier:
    return Classifier(card(), exported, 1, errors.InternalError)


def candidate(name: str, measured: Measured, latency: float, classifier: Classifier) -> Candidate:
    gates = judge(GATES, measured)
    return Candidate(
        name=name, model=b"", classifier=classifier, measured=measured, gates=gates, latency=latency, latency16=latency
    )


@pytest.mark.parametrize(("how", "size"), [("Static", 0.35), ("Dynamic", 0.65)])
def test_int8_answers_like_fp32_and_is_smaller(exported: bytes, classifier: Classifier, how: str, size: float) -> None:
    inputs = np.random.default_rng(0).random((64, 1, 16, 16), np.float32)
    plain, int8 = compress.forms(exported, how, inputs)
    answers = Classifier(card(), int8.model, 1, errors.InternalError).logits(inputs)
    assert np.abs(answers - classifier.logits(inputs)).max() < 0.02
    assert plain.model == exported
    assert len(int8.model) < size * len(exported)


def graph(model: bytes) -> tuple[set[str], dict[str, np.ndarray]]:
    """The operators in `model`, and its constants by name."""
    found = onnx.load_from_string(model).graph
    constants = {each.name: numpy_helper.to_array(each) for each in found.initializer}
    return {node.op_type for node in found.node}, constants


def test_static_int8_has_pairs_of_quantizers_and_a_scale_for_each_channel(exported: bytes) -> None:
    inputs = np.random.default_rng(0).random((64, 1, 16, 16), np.float32)
    _, int8 = compress.forms(exported, "Static", inputs)
    operators, constants = graph(int8.model)
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= operators
    filters = [name for name, values in constants.items() if values.dtype == np.int8 and values.ndim == 4]
    scales = {len(values) for name, values in constants.items() if name.endswith("_scale") and values.ndim == 1}
    assert [len(constants[name]) for name in filters] == [16, 32, 64]
    assert {16, 32, 64} <= scales


def test_static_int8_takes_its_ranges_from_the_calibration(exported: bytes) -> None:
    inputs = np.random.default_rng(0).random((64, 1, 16, 16), np.float32)
    one, ten = (graph(compress.forms(exported, "Static", k * inputs)[1].model)[1] for k in (1, 10))
    assert ten["input_scale"] == pytest.approx(10 * one["input_scale"])


def test_dynamic_int8_takes_its_ranges_from_each_call(exported: bytes) -> None:
    operators, _ = graph(compress.forms(exported, "Dynamic", np.empty((0, 1, 16, 16), np.float32))[1].model)
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= operators


def test_forms_are_timed_in_turns_and_each_has_its_own_median() -> None:
    turns: list[str] = []

    def timed(name: str, seconds: float) -> measure.Predict:
        def predict(inputs: Floats) -> Floats:
            turns.append(name)
            time.sleep(seconds)
            return inputs

        return predict

    fast, slow = measure.latencies((timed("fast", 0.0), timed("slow", 0.005)), np.zeros((1, 2), np.float32))
    assert turns == ["fast", "slow"] * (len(turns) // 2)
    assert len(turns) > 20
    assert fast < 0.005 <= slow


@pytest.mark.parametrize("how", ["Static", "Dynamic"])
def test_large_sums_are_not_cut_off_on_processors_without_vnni(how: str) -> None:
    """The largest weight times the largest input, 64 times: with weights of 8 bits AVX2 says half of it."""
    layer = nn.Linear(64, 10, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    inputs = np.ones((16, 64), np.float32)
    _, int8 = compress.forms(export.to_onnx(layer, (64,)), how, inputs)
    answers = Classifier(card((64,)), int8.model, 1, errors.InternalError).logits(inputs)
    assert answers == pytest.approx(64, rel=0.02)


def test_equal_students_give_equal_int8_files(exported: bytes) -> None:
    inputs = np.random.default_rng(0).random((64, 1, 16, 16), np.float32)
    assert compress.forms(exported, "Static", inputs) == compress.forms(exported, "Static", inputs)


def test_int8_that_is_smaller_faster_and_as_good_ships(classifier: Classifier) -> None:
    best, table = choose([candidate("fp32", PLAIN, 2.0, classifier), candidate("int8", INT8, 1.0, classifier)])
    assert best.name == "int8"
    assert [(row.name, row.ships) for row in table] == [("fp32", False), ("int8", True)]
    assert table[1].why == "0.33 of fp32's size, 0.50 of its time"


@pytest.mark.parametrize(
    ("changes", "latency", "why"),
    [
        ({}, 3.0, "slower than fp32 (1.50 of its time)"),
        ({"size": 950}, 1.0, "larger than fp32"),
        ({"accuracy": 0.94}, 1.0, "worse than fp32 by 1.00 points"),
        ({"accuracy": 0.89}, 1.0, "refused by minAccuracy"),
    ],
)
def test_fp32_ships_where_int8_is_no_gain(
    classifier: Classifier, changes: dict[str, float], latency: float, why: str
) -> None:
    int8 = candidate("int8", dataclasses.replace(INT8, **changes), latency, classifier)
    best, table = choose([candidate("fp32", PLAIN, 2.0, classifier), int8])
    assert best.name == "fp32"
    assert table[1].why.startswith(why)
    assert [row.ships for row in table] == [True, False]


def test_a_form_that_passes_comes_before_a_faster_one_that_does_not(classifier: Classifier) -> None:
    plain = candidate("fp32", dataclasses.replace(PLAIN, size=2000), 1.0, classifier)
    best, table = choose([plain, candidate("int8", INT8, 2.0, classifier)])
    assert best.name == "int8"
    assert table[0].why == "refused by maxSize"


def test_nothing_ships_where_every_form_is_refused(classifier: Classifier) -> None:
    bad = dataclasses.replace(PLAIN, accuracy=0.5)
    best, table = choose([candidate("fp32", bad, 1.0, classifier), candidate("int8", bad, 1.0, classifier)])
    assert not best.passed
    assert [row.ships for row in table] == [False, False]


def test_the_form_that_was_chosen_is_the_one_that_lies_in_the_registry(
    world: World, work: Path, tmp_path: Path
) -> None:
    order = world.change(
        student={"architecture": "mlp", "width": 1024},
        compress={"quantize": "Dynamic"},
        gates={**world.order["gates"], "maxSize": 20_000},  # fp32 has 29 kB
        push=world.repository("int8"),
    )
    outcome, _ = distil(order, work)
    assert [(row.name, row.ships) for row in outcome.choice] == [("fp32", False), ("int8-dynamic", True)]
    Client().pull(order.push, outcome.digest, tmp_path / "pulled")
    assert STUDENT in check_folder(tmp_path / "pulled").files
    assert (tmp_path / "pulled" / MODEL).stat().st_size == outcome.choice[1].size
    assert read_card(tmp_path / "pulled").lineage.config["form"] == "int8-dynamic"
    assert outcome.choice[1].latency_ms > 0


def test_of_several_gains_the_fastest_ships(classifier: Classifier) -> None:
    forms = [candidate("fp32", PLAIN, 3.0, classifier)]
    forms += [candidate(name, INT8, latency, classifier) for name, latency in (("a", 2.0), ("b", 1.0), ("c", 1.5))]
    best, table = choose(forms)
    assert best.name == "b"
    assert [row.ships for row in table] == [False, False, True, False]
    assert table[1].why == "0.33 of fp32's size, 0.67 of its time; b is faster"


def test_reasons_in_a_report_are_those_of_every_run_that_chooses_the_same(classifier: Classifier) -> None:
    tables = [
        choose([candidate("fp32", PLAIN, 3.0, classifier), candidate("a", INT8, slow, classifier), fast])[1]
        for slow in (2.0, 4.0)
        for fast in [candidate("b", INT8, 1.0, classifier)]
    ]
    assert tables[0][1].why != tables[1][1].why
    reasons = ["b is a gain", "not faster than b", "0.33 of fp32's size"]
    assert [[row.reason for row in table] for table in tables] == [reasons, reasons]
    assert "reason" not in tables[0][1].dump()


def test_a_pruned_student_that_is_as_good_ships_and_the_next_round_starts_from_the_whole_one(
    world: World, work: Path, tmp_path: Path
) -> None:
    order = world.change(
        student={"architecture": "mlp", "width": 512},
        compress={"prune": 0.9},
        gates={**world.order["gates"], "maxSize": 4000},  # of 512 hidden units no form is that small
        push=world.repository("pruned"),
    )
    outcome, told = distil(order, work)
    assert [(row.name, row.ships) for row in outcome.choice] == [("fp32", False), ("pruned-fp32", True)]
    assert outcome.choice[1].macs <= 0.1 * outcome.choice[0].macs
    assert "Pruning" in told.stages
    assert [report.epoch for report in told.epochs] == [*range(1, 9)] * 2  # it is taught again
    Client().pull(order.push, outcome.digest, tmp_path / "pulled")
    whole = students.build("mlp", 512, (2,), 4)
    assert students.warm_start(whole, tmp_path / "pulled" / STUDENT)
    assert re.search(
        r"^## Forms$.*^\| pruned-fp32 \|.* ships: ", (tmp_path / "pulled" / "report.md").read_text(), MULTI
    )


def test_without_compression_there_is_nothing_to_choose(world: World, work: Path) -> None:
    outcome, _ = distil(world.change(), work)
    assert outcome.choice == ()
