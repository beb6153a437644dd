"""An unmodified tritonclient asks a running server everything that the protocol has."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.unit.inference_pod.echo import VALUES, echo_bundle
from tests.unit.inference_pod.live_pod import Pod, ask, serving

JSON_TOO = [name for name in VALUES if name != "FP16"]
"""tritonclient itself sends FP16 as binary only."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """Serves the echo model under the name tiny."""
    folder = tmp_path_factory.mktemp("triton")
    echo_bundle(folder)
    with serving(folder, "--bundle", str(folder / "v1")) as pod:
        yield pod


@pytest.fixture
def client(server: Pod) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def inputs(*, binary: bool, names: list[str] | None = None) -> list[triton.InferInput]:
    """All inputs; those in `names` as binary or not, the rest as binary."""
    made = []
    for name, (_, value) in VALUES.items():
        tensor = triton.InferInput(f"in_{name}", list(value.shape), name)
        tensor.set_data_from_numpy(value, binary_data=binary or name not in (names or JSON_TOO))
        made.append(tensor)
    return made


def assert_echoed(result: triton.InferResult, names: list[str]) -> None:
    for name in names:
        want = VALUES[name][1]
        got = result.as_numpy(f"out_{name}")
        if name == "BYTES":
            got = np.array([[t.decode() if isinstance(t, bytes) else t for t in row] for row in got], np.object_)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_it_is_live_and_ready_and_so_is_the_model_with_and_without_version(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", "v1")
    assert not client.is_model_ready("tiny", "v9")


def test_it_tells_its_own_and_the_models_metadata(client: Any) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    for version in ("", "v1"):
        metadata = client.get_model_metadata("tiny", version)
        assert (metadata["name"], metadata["versions"]) == ("tiny", ["v1"])
        assert {"name": "in_INT8", "datatype": "INT8", "shape": [-1, 2]} in metadata["inputs"]


def test_it_tells_the_models_configuration(client: Any) -> None:
    config = client.get_model_config("tiny")
    assert {"name": "in_BYTES", "data_type": "TYPE_STRING", "dims": [-1, 2]} in config["input"]
    assert config["max_batch_size"] == 0


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_every_datatype_goes_in_and_out(client: Any, sent: bool, wanted: bool) -> None:
    names = list(VALUES) if wanted else JSON_TOO
    outputs = [triton.InferRequestedOutput(f"out_{name}", binary_data=wanted) for name in names]
    result = client.infer("tiny", inputs(binary=sent), outputs=outputs, model_version="v1", request_id="id-7")
    assert_echoed(result, names)
    assert (result.get_response()["id"], result.get_response()["model_version"]) == ("id-7", "v1")


def test_without_wanted_outputs_all_of_them_come(client: Any) -> None:
    assert_echoed(client.infer("tiny", inputs(binary=True)), list(VALUES))


def test_asynchronous_calls_are_answered_too(server: Pod) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4) as client:
        calls = [client.async_infer("tiny", inputs(binary=True)) for _ in range(20)]
        for call in calls:
            assert_echoed(call.get_result(timeout=20), list(VALUES))


def test_one_wanted_output_comes_alone(client: Any) -> None:
    result = client.infer("tiny", inputs(binary=True), outputs=[triton.InferRequestedOutput("out_INT64")])
    assert [output["name"] for output in result.get_response()["outputs"]] == ["out_INT64"]


WRONG = {
    "an unknown model": (lambda c: c.infer("other", inputs(binary=True)), "404", "model: want 'tiny'"),
    "an unknown version": (lambda c: c.infer("tiny", inputs(binary=True), model_version="v9"), "404", "want 'v1'"),
    "a missing input": (lambda c: c.infer("tiny", inputs(binary=True)[1:]), "400", "['in_FP32'] missing"),
    "an unknown output": (
        lambda c: c.infer("tiny", inputs(binary=True), outputs=[triton.InferRequestedOutput("y")]),
        "400",
        "outputs[0].name: want one of",
    ),
    "classification": (
        lambda c: c.infer(
            "tiny", inputs(binary=True), outputs=[triton.InferRequestedOutput("out_FP32", class_count=3)]
        ),
        "400",
        "not offered",
    ),
    "a compressed body": (
        lambda c: c.infer("tiny", inputs(binary=True), request_compression_algorithm="gzip"),
        "400",
        "Content-Encoding: want none",
    ),
    "an extension that is not there": (lambda c: c.get_inference_statistics("tiny"), "404", "want nothing"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_refusal_reaches_the_client_with_status_and_reason(client: Any, what: str) -> None:
    call, status, message = WRONG[what]
    with pytest.raises(InferenceServerException) as caught:
        call(client)
    assert (caught.value.status(), message in caught.value.message()) == (status, True)


PATHS = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/tiny", "/v2/models/tiny/ready"]
PATHS += ["/v2/models/tiny/versions/v1", "/v2/models/tiny/versions/v1/ready", "/v2/models/tiny/versions/v1/config"]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_the_same_with_a_slash_at_its_end(server: Pod, path: str) -> None:
    assert ask(server.port, "GET", path)[0] == 200
    assert ask(server.port, "GET", path + "/") == ask(server.port, "GET", path)


@pytest.mark.parametrize("version", ["", "/versions/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_both_spellings_of_infer_answer(server: Pod, version: str, slash: str) -> None:
    tensors = [
        {"name": f"in_{name}", "shape": [1, 2], "datatype": name, "data": value.tolist()}
        for name, (_, value) in VALUES.items()
    ]
    status, _ = ask(server.port, "POST", f"/v2/models/tiny{version}/infer{slash}", json.dumps({"inputs": tensors}))
    assert status == 200
