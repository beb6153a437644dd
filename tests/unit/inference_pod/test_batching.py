"""Requests that wait together are run together where that pays, and nobody gets another's answer."""

import asyncio
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemodel.bundle import Card, Tensor
from edgemodel_inference.errors import Unprocessable
from edgemodel_inference.model import batching
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import Array, Batching, Model, open_model
from edgemodel_inference.model.runner import Result
from tests.unit.inference_pod.tiny_bundles import CARD, ONE, bundle, golden, weights

MOST = 8


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A tiny model for which batches of eight were found to pay."""
    opened = open_model(tmp_path / "v1", bundle(tmp_path, "v1"), threads=1)
    opened.batching = Batching(MOST, {})
    return opened


def one(seed: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).random((1, 1, 2, 2), dtype=np.float32)}


class Busy:
    """The inference thread held up by a request of another model, while others come to wait."""

    def __init__(self, engine: Engine, tmp_path: Path) -> None:
        self.engine, self.release = engine, threading.Event()
        self.blocker = open_model(tmp_path / "busy", bundle(tmp_path, "busy"), threads=1)
        self.blocker.session = self
        self.runs: list[int] = []

    def run(self, *_: object) -> list[Array]:
        assert self.release.wait(20)
        return [np.zeros((1, 3), np.float32)]

    def watch(self, model: Model) -> None:
        """Note the rows of each run of `model`."""
        session = model.session
        runs = self.runs

        class Watched:
            def run(self, names: list[str], feeds: dict[str, Array]) -> list[Array]:
                runs.append(len(next(iter(feeds.values()))))
                return list(session.run(names, feeds))

        model.session = Watched()

    async def let(self, *requests: "asyncio.Future[Result]") -> list[Result]:
        """Let all of `requests` wait, then go."""
        first = asyncio.ensure_future(self.engine.infer(self.blocker, {"x": ONE}))
        waiting = [asyncio.ensure_future(request) for request in requests]
        while self.engine.queue_length < len(requests) + 1:  # noqa: ASYNC110 (the loop runs; nothing is waited for)
            await asyncio.sleep(0)
        self.release.set()
        await first
        return await asyncio.gather(*waiting)


def watching(model: Model, tmp_path: Path, batch_delay: float = 0.0) -> Busy:
    made = Busy(Engine(batch_delay), tmp_path)
    made.watch(model)
    return made


@pytest.fixture
def busy(tmp_path: Path, model: Model) -> Busy:
    return watching(model, tmp_path)


async def test_what_waits_together_is_run_together_and_each_gets_its_own_answer(busy: Busy, model: Model) -> None:
    feeds = [one(seed) for seed in range(MOST)]
    expected = [each["x"].reshape(1, 4) @ weights(4.0) for each in feeds]
    results = await busy.let(*(busy.engine.infer(model, each) for each in feeds))
    for result, want in zip(results, expected, strict=True):
        np.testing.assert_allclose(result.outputs[0], want, rtol=1e-4)
        assert len(result.outputs[0]) == 1
    assert busy.runs == [MOST]


async def test_a_batch_takes_no_more_rows_than_it_may(busy: Busy, model: Model) -> None:
    sizes = (3, 3, 3, 9, 1)
    feeds = [{"x": np.concatenate([one(seed)["x"]] * size)} for seed, size in enumerate(sizes)]
    results = await busy.let(*(busy.engine.infer(model, each) for each in feeds))
    assert [len(result.outputs[0]) for result in results] == list(sizes)
    assert busy.runs == [6, 3, 9, 1]


async def test_a_model_for_which_batches_do_not_pay_runs_each_request_alone(busy: Busy, model: Model) -> None:
    model.batching = Batching(1, {})
    await busy.let(*(busy.engine.infer(model, one(seed)) for seed in range(4)))
    assert busy.runs == [1, 1, 1, 1]


async def test_a_request_on_which_the_model_fails_spoils_no_other(busy: Busy, model: Model) -> None:
    session = model.session

    class Picky:
        def run(self, names: list[str], feeds: dict[str, Array]) -> list[Array]:
            if (feeds["x"] < 0).any():
                raise RuntimeError("below zero")
            return list(session.run(names, feeds))

    model.session = Picky()
    bad = {"x": -one(1)["x"]}
    requests = [busy.engine.infer(model, each) for each in (one(0), bad, one(2))]
    guarded = [asyncio.gather(request, return_exceptions=True) for request in requests]
    results = [answers[0] for answers in await busy.let(*guarded)]
    assert [isinstance(result, Unprocessable) for result in results] == [False, True, False]


async def test_a_lone_caller_is_never_kept_waiting_for_company(model: Model) -> None:
    engine = Engine(batch_delay=20.0)
    async with asyncio.timeout(10):
        for seed in range(5):
            await engine.infer(model, one(seed))


async def test_once_batches_form_one_that_is_not_full_waits_for_more(model: Model, tmp_path: Path) -> None:
    busy = watching(model, tmp_path, batch_delay=20.0)
    engine = busy.engine
    async with asyncio.timeout(15):
        await busy.let(*(engine.infer(model, one(seed)) for seed in range(MOST)))
        first = asyncio.ensure_future(engine.infer(model, one(0)))
        await asyncio.sleep(0)
        while not engine._runner._tickets.empty():  # noqa: ASYNC110 (the thread has no event)
            await asyncio.sleep(0)
        await asyncio.gather(first, *(engine.infer(model, one(seed)) for seed in range(1, MOST)))
    assert busy.runs == [MOST, MOST]


async def test_a_batch_that_stays_short_goes_after_its_delay(model: Model, tmp_path: Path) -> None:
    busy = watching(model, tmp_path, batch_delay=0.05)
    engine = busy.engine
    async with asyncio.timeout(15):
        await busy.let(*(engine.infer(model, one(seed)) for seed in range(MOST)))
        await engine.infer(model, one(0))
    assert busy.runs == [MOST, 1]


def clocked(model: Model, seconds: dict[int, float]) -> Batching:
    """What `measure` finds when a run of n rows takes ``seconds[n]``."""
    now = [0.0]
    session = model.session

    class Timed:
        def run(self, names: list[str], feeds: dict[str, Array]) -> list[Array]:
            now[0] += seconds[len(feeds["x"])]
            return list(session.run(names, feeds))

        get_inputs, get_outputs = session.get_inputs, session.get_outputs

    model.session = Timed()
    return batching.measure(model, {"x": golden(weights(4.0))["input:x"]}, MOST, clock=lambda: now[0])


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [
        ({1: 1e-4, 2: 1e-4, 4: 1e-4, 8: 1e-4}, 8),
        ({1: 1e-4, 2: 2e-4, 4: 4e-4, 8: 8e-4}, 1),
        ({1: 1e-4, 2: 1.9e-4, 4: 3.6e-4, 8: 7e-4}, 1),
        ({1: 1e-4, 2: 1.2e-4, 4: 2e-4, 8: 9e-4}, 4),
        ({1: 2e-4, 2: 2e-4, 4: 2.35e-4, 8: 5.1e-4}, 8),
        ({1: 5e-2, 2: 7e-2, 4: 1.5e-1, 8: 1.0e-1}, 2),
    ],
    ids=[
        "rows for nothing",
        "rows at full price",
        "a gain too small",
        "best in the middle",
        "the hand-over is shared by more",
        "slow model",
    ],
)
def test_the_measured_curve_decides(model: Model, seconds: dict[int, float], rows: int) -> None:
    assert clocked(model, seconds).rows == rows


@pytest.mark.parametrize(
    ("seconds", "inline"),
    [
        ({1: 1e-5, 2: 1e-5, 4: 1.5e-5, 8: 2e-5}, 8),
        ({1: 1e-4, 2: 1.9e-4, 4: 3.8e-4, 8: 7.6e-4}, 2),
        ({1: 5e-4, 2: 5e-4, 4: 5e-4, 8: 5e-4}, 0),
        ({1: 1.9e-4, 2: 2e-4, 4: 2.3e-4, 8: 3e-4}, 0),
        ({1: 3e-5, 2: 4e-5, 4: 6e-5, 8: 9e-5}, 8),
    ],
    ids=["tiny", "short for two rows", "never short", "dearer than a share of a batch", "no dearer than that"],
)
def test_runs_that_were_seen_to_be_short_need_no_thread(model: Model, seconds: dict[int, float], inline: int) -> None:
    assert clocked(model, seconds).inline == inline


@pytest.mark.parametrize("change", [{"shape": (-1, -1, 2, 2)}, {"datatype": "BYTES"}], ids=["a free side", "texts"])
def test_a_model_whose_runs_do_not_follow_from_its_rows_always_has_the_thread(
    model: Model, change: dict[str, object]
) -> None:
    inputs = (CARD.inputs[0].model_copy(update=change),)
    model.card = CARD.model_copy(update={"inputs": inputs})
    assert clocked(model, dict.fromkeys((1, 2, 4, 8), 1e-5)).inline == 0


def test_a_model_whose_rows_depend_on_each_other_is_given_no_company(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "mixes", ends[:1], ends[1:], [numpy_helper.from_array(np.zeros(1), "unused")])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    tensors = [Tensor(name=name, datatype="FP32", shape=(-1, 4)) for name in ("x", "y")]
    card = Card(name="mixes", inputs=(tensors[0],), outputs=(tensors[1],))
    x = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    samples = {"input:x": x, "output:y": x - x.mean(axis=0)}
    artifact = bundle(tmp_path, "mixes", model=proto.SerializeToString(), card=card, golden=samples)
    opened = open_model(tmp_path / "mixes", artifact, threads=1)
    assert batching.measure(opened, {"x": x}, MOST).rows == 1


@pytest.mark.parametrize("counts", list(itertools.product((1, 2, 5), repeat=3)))
def test_what_was_joined_is_split_as_it_was(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    requests = [{"x": rng.random((count, 2))} for count in counts]
    for (piece,), feeds in zip(batching.split([batching.join(requests)["x"]], counts), requests, strict=True):
        np.testing.assert_array_equal(piece, feeds["x"])
