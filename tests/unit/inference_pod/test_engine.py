"""The engine: bounded, and one version per request however often the models are swapped."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from edgemodel_inference.errors import Refused, Unavailable
from edgemodel_inference.model import engine as module
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import Model, open_model
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
    confidence = two_models[0].confidence([logits])
    assert confidence is not None
    np.testing.assert_allclose(confidence, [0.0, 1 / 3, 0.0], rtol=1e-6)


def test_a_bundle_whose_card_names_other_tensors_is_refused(tmp_path: Path) -> None:
    renamed = CARD.model_copy(update={"outputs": (CARD.outputs[0].model_copy(update={"name": "scores"}),)})
    samples = golden(weights(1.0))
    samples = {"input:x": samples["input:x"], "output:scores": samples["output:logits"]}
    artifact = bundle(tmp_path, "v1", card=renamed, golden=samples)
    with pytest.raises(Refused, match="CardMismatch: outputs"):
        open_model(tmp_path / "v1", artifact, threads=1)
