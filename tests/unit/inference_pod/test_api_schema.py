"""Whatever the OpenAPI document allows, and what it does not, is answered as it says, and never with a 5xx."""

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.inference_pod.live_pod import Pod
from tests.unit.inference_pod.tiny_bundles import bundle

MEMORY = 64 * 1024 * 1024
"""Bytes by which the worker may grow under all of these requests."""
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
OPERATIONS = [
    ("POST", "/predict"),
    ("POST", "/batch_predict"),
    ("POST", "/v2/models/tiny/infer"),
    *(("GET", path) for path in ("/health", "/card", "/v2", "/v2/health/live", "/v2/health/ready")),
    *(("GET", path) for path in ("/v2/models/tiny", "/v2/models/tiny/ready")),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """Serves the tiny model."""
    folder = tmp_path_factory.mktemp("api")
    bundle(folder, "v1")
    pod = Pod(folder)
    pod.serve("--bundle", str(folder / "v1"))
    pod.await_version("v1")
    yield pod
    assert pod.process is not None
    pod.process.kill()
    pod.process.wait()


@pytest.fixture(scope="module")
def schema(server: Pod) -> Any:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")


def test_every_operation_of_the_document_is_asked(schema: Any) -> None:
    told = {(result.ok().method.upper(), result.ok().path) for result in schema.get_all_operations()}
    assert told == set(OPERATIONS)


def ask(schema: Any, method: str, path: str, examples: int) -> None:
    """Ask for one operation with `examples` requests of each kind: sound by the document, and not."""
    operation = schema[path][method]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def asked(data: Any) -> None:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)
            if mode is GenerationMode.NEGATIVE and method == "GET":
                continue
            data.draw(strategy).call_and_validate(checks=list(CHECKS))

    asked()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_the_document_says(server: Pod, schema: Any, method: str, path: str) -> None:
    worker = psutil.Process(server.worker_pid())
    before = worker.memory_info().rss
    ask(schema, method, path, examples=15 if method == "POST" else 3)
    assert (server.worker_pid(), worker.memory_info().rss < before + MEMORY) == (worker.pid, True)


@pytest.mark.long
@pytest.mark.parametrize(("method", "path"), [operation for operation in OPERATIONS if operation[0] == "POST"])
def test_answers_are_as_the_document_says_many_times_over(server: Pod, schema: Any, method: str, path: str) -> None:
    worker = psutil.Process(server.worker_pid())
    before = worker.memory_info().rss
    ask(schema, method, path, examples=2000)
    assert (server.worker_pid(), worker.memory_info().rss < before + MEMORY) == (worker.pid, True)
