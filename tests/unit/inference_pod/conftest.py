"""A pod per test, and models to open."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from edgemodel_inference.model.models import Model, open_model
from tests.unit.inference_pod.live_pod import Pod
from tests.unit.inference_pod.tiny_bundles import bundle

LOG_LINE = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[3] / "docs" / "log.schema.json").read_text())
)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """Where bundles come from."""
    folder = tmp_path / "origin"
    folder.mkdir()
    return folder


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """A pod that is not started yet; ended with the test, however that ends. All that it logs keeps to the schema."""
    folder = tmp_path / "pod"
    folder.mkdir()
    pod = Pod(folder)
    yield pod
    if pod.process is not None and pod.process.poll() is None:
        pod.process.kill()  # its worker follows
        pod.process.wait()
    for line in list(pod.logs):
        LOG_LINE.validate(line)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("tiny")
    artifact = bundle(folder, "v1")
    return open_model(folder / "v1", artifact, threads=1)
