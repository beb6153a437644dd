"""The engine: bounded, and one version per request however often the models are swapped."""

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgemodel_inference.errors import Refused, Unavailable
from edgemodel_inference.model import engine as module
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import Array, Batching, Model, open_model
from tests.unit.inference_pod.tiny_bundles import CARD, ONE, bundle, golden, weights


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Model]:
    folder = tmp_path_factory.mktemp("two")
    artifacts = [bundle(folder, "v1", scale=1.0), bundle(folder, "v2", scale=-1.0)]
    first, second = (open_model(folder / a.name, a, threads=1) for a in artifacts)
    return first, second


async def test_a_hundred_flips_under_load_give_each_request_the_answer_of_its_version(
    two_models: tuple[Model, Model],
) -> None:
    engine = Engine()
    engine.install(two_models[0])
    engine.stand_by(two_models[1])
    expected = {model.digest: model.run({"x": ONE})[0] for model in two_models}
    seen = set()

    async def ask() -> None:
        for _ in range(200):
            model = engine.active
            assert model is not None
            result = await engine.infer(model, {"x": ONE})
            np.testing.assert_array_equal(result.outputs[0], expected[model.digest])
            seen.add(model.version)

    flips = threading.Thread(target=lambda: [engine.flip() for _ in range(101)])
    flips.start()
    await asyncio.gather(*(ask() for _ in range(4)))
    flips.join()
    assert engine.active is two_models[1]


async def test_more_requests_than_may_wait_are_turned_away(
    two_models: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 3)
    engine = Engine()
    results = await asyncio.gather(*(engine.infer(two_models[0], {"x": ONE}) for _ in range(5)), return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [False, False, False, True, True]
    assert engine.queue_length == 0


class Watched:
    """A session that notes which thread runs it, and keeps the processor busy for a while."""

    def __init__(self, busy: float = 0.0) -> None:
        self.threads: list[threading.Thread] = []
        self._busy = busy

    def run(self, _names: list[str], feeds: dict[str, Array]) -> list[Array]:
        self.threads.append(threading.current_thread())
        until = time.thread_time() + self._busy
        while time.thread_time() < until:
            pass
        return [np.zeros((len(feeds["x"]), 3), np.float32)]


class Asleep:
    """A session that takes its time without the processor."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def run(self, *_: object) -> list[Array]:
        threading.Event().wait(self._seconds)
        return [np.zeros((1, 3), np.float32)]


@pytest.fixture
def quick(tmp_path: Path) -> Model:
    """A model whose runs of one row were found to be short."""
    model = open_model(tmp_path / "v1", bundle(tmp_path, "v1"), threads=1)
    model.batching = Batching(1, {}, inline=1)
    return model


def test_a_short_run_is_made_where_it_is_asked_for(quick: Model) -> None:
    quick.session = session = Watched()
    assert Engine().infer_now(quick, {"x": ONE}) is not None
    assert session.threads == [threading.current_thread()]


def test_a_run_of_more_rows_than_are_known_to_be_short_is_left_to_the_thread(quick: Model) -> None:
    assert Engine().infer_now(quick, {"x": np.concatenate([ONE, ONE])}) is None


def test_a_model_that_was_twice_not_short_at_all_is_left_to_the_thread_from_then_on(quick: Model) -> None:
    quick.session = Watched(busy=2 * module.OVERRUN)
    engine = Engine()
    assert [engine.infer_now(quick, {"x": ONE}) is not None for _ in range(3)] == [True, True, False]


def test_a_run_that_was_long_because_others_had_the_processor_is_no_reason(quick: Model) -> None:
    quick.session = Asleep(2 * module.OVERRUN)
    engine = Engine()
    for _ in range(3):
        engine.infer_now(quick, {"x": ONE})
    assert quick.batching.inline == 1


async def test_whoever_waits_for_too_long_is_told_and_the_run_still_counts_until_it_ends(
    two_models: tuple[Model, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE", 0.01)
    model = open_model(tmp_path / "held", bundle(tmp_path, "held"), threads=1)
    release = threading.Event()

    class Held:
        def run(self, *_: object) -> list[Array]:
            assert release.wait(20)
            return [np.zeros((1, 3), np.float32)]

    model.session = Held()
    engine = Engine()
    with pytest.raises(Unavailable, match="no answer from the model within"):
        await engine.infer(model, {"x": ONE})
    assert engine.queue_length == 1
    release.set()
    monkeypatch.setattr(module, "DEADLINE", 20.0)
    await engine.infer(two_models[0], {"x": ONE})
    assert engine.queue_length == 0


class Gate:
    """A session that says when a run has begun, and ends it when told."""

    def __init__(self) -> None:
        self.began, self.release, self.runs = threading.Event(), threading.Event(), 0

    def run(self, *_: object) -> list[Array]:
        self.runs += 1
        self.began.set()
        assert self.release.wait(20)
        return [np.zeros((1, 3), np.float32)]


@pytest.fixture
def gated(tmp_path: Path) -> Model:
    model = open_model(tmp_path / "gated", bundle(tmp_path, "gated"), threads=1)
    model.session = Gate()
    return model


async def waiting(engine: Engine, model: Model, count: int) -> list["asyncio.Task[object]"]:
    """So many requests, of which the first runs."""
    tasks = [asyncio.create_task(engine.infer(model, {"x": ONE})) for _ in range(count)]
    await asyncio.to_thread(model.session.began.wait, 20)
    return tasks


async def test_what_callers_who_are_gone_have_waited_for_is_not_run_and_holds_no_place(gated: Model) -> None:
    engine = Engine()
    running, *others = await waiting(engine, gated, 4)
    engine.forget({running, *others[:2]})
    for gone in others[:2]:
        with pytest.raises(Unavailable, match="the caller is gone"):
            await gone
    assert engine.queue_length == 2
    gated.session.release.set()
    await asyncio.gather(running, others[2])
    assert gated.session.runs == 2


async def test_a_request_that_is_cancelled_while_it_waits_is_not_run(gated: Model) -> None:
    engine = Engine()
    running, other = await waiting(engine, gated, 2)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    gated.session.release.set()
    await running
    assert (gated.session.runs, engine.queue_length) == (1, 0)


async def test_where_callers_gave_up_nobody_is_let_in_to_wait_as_long(gated: Model) -> None:
    engine = Engine()
    gated.session.release.set()
    await engine.infer(gated, {"x": ONE})
    engine._runner._pace = 1.0
    gated.session.release.clear()
    gated.session.began.clear()
    _, *others = tasks = await waiting(engine, gated, 8)
    engine.forget(others[:1])
    await asyncio.gather(*others[:1], return_exceptions=True)
    with pytest.raises(Unavailable, match=r"wait for 7\.0 s") as caught:
        await engine.infer(gated, {"x": ONE})
    assert caught.value.retry_after == 7
    gated.session.release.set()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_flip_without_a_backup_changes_nothing(two_models: tuple[Model, Model]) -> None:
    engine = Engine()
    engine.install(two_models[0])
    assert (engine.flip(), engine.active) == (False, two_models[0])


def test_what_was_active_becomes_the_backup(two_models: tuple[Model, Model]) -> None:
    engine = Engine()
    engine.install(two_models[0])
    engine.install(two_models[1])
    assert (engine.active, engine.backup) == (two_models[1], two_models[0])


def test_a_row_that_is_not_a_number_has_no_confidence(two_models: tuple[Model, Model]) -> None:
    logits = np.array([[np.nan, 1, 2], [0, 0, 0], [np.inf, 0, 0]], dtype=np.float32)
    confidence = two_models[0].confidence(logits)
    np.testing.assert_allclose(confidence, [0.0, 1 / 3, 0.0], rtol=1e-6)


def test_a_bundle_whose_card_names_other_tensors_is_refused(tmp_path: Path) -> None:
    renamed = CARD.model_copy(update={"outputs": (CARD.outputs[0].model_copy(update={"name": "scores"}),)})
    samples = golden(weights(1.0))
    samples = {"input:x": samples["input:x"], "output:scores": samples["output:logits"]}
    artifact = bundle(tmp_path, "v1", card=renamed, golden=samples)
    with pytest.raises(Refused, match="CardMismatch: outputs"):
        open_model(tmp_path / "v1", artifact, threads=1)
