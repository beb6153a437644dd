"""The block `server` of serve.yaml: a setting has one name and one check, wherever it is written."""

from pathlib import Path

import pytest

from edgemodel_inference.config.server_block import COPY, KEYS, settle
from edgemodel_inference.errors import SettingsError
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, ask
from tests.unit.inference_pod.tiny_bundles import bundle

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A serve.yaml with ports, a device and tokens."""
    path = tmp_path / "serve.yaml"
    path.write_text("server: {port: 18080, grpcPort: 18082, device: cpu, tokens: /etc/edgemodel/tokens}")
    return path


def environment(file: Path, **other: str) -> dict[str, str]:
    return {"EDGEMODEL_CONFIG": str(file), "EDGEMODEL_STATE": str(file.parent / "state"), **other}


def test_what_the_file_says_is_settled_and_told_to_workers(file: Path) -> None:
    environ = environment(file)
    settings = settle(environ, {})
    assert (settings.port, settings.grpc_port, settings.tokens) == (18080, 18082, Path("/etc/edgemodel/tokens"))
    assert environ["EDGEMODEL_GRPC_PORT"] == "18082"


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(file: Path) -> None:
    settings = settle(environment(file, EDGEMODEL_PORT="2", EDGEMODEL_GRPC_PORT="3"), {"EDGEMODEL_PORT": "1"})
    assert (settings.port, settings.grpc_port, settings.device) == (1, 3, "cpu")


def test_every_setting_has_a_name_there_but_those_that_stand_elsewhere() -> None:
    assert {"grpcPort", "adminPort", "tlsCert", "otlp", "otlpTraces", "traceRatio", "registryCa"} <= KEYS.keys()
    assert not {"state", "config", "bundle", "wish"} & KEYS.keys()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{grpcPort: http}", r"serve.yaml: server.grpcPort: want a port"),
        ("{device: gpu}", r"serve.yaml: server.device: want auto, cpu, cuda, tensorrt, openvino, got 'gpu'"),
        ("{tokenz: x}", r"serve.yaml: server.tokenz: want one of name, "),
        ("[port]", r"serve.yaml: server: want names and values"),
        ("{tlsCert: a.pem}", r"EDGEMODEL_TLS_CERT, EDGEMODEL_TLS_KEY: want both or none"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(file: Path, block: str, message: str) -> None:
    file.write_text(f"server: {block}")
    with pytest.raises(SettingsError, match=message):
        settle(environment(file), {})


@pytest.mark.parametrize("content", [None, "server: {port: x}", "server: [", "\x00"])
def test_a_file_that_is_gone_or_broken_at_a_later_start_opens_no_door(file: Path, content: str | None) -> None:
    settle(environment(file), {})
    file.unlink() if content is None else file.write_text(content)
    settings = settle(environment(file), {})
    assert (settings.tokens, settings.port) == (Path("/etc/edgemodel/tokens"), 18080)


def test_a_block_that_was_taken_out_is_forgotten(file: Path) -> None:
    settle(environment(file), {})
    file.write_text("bundle: v1")
    assert settle(environment(file), {}).tokens is None
    assert (file.parent / "state" / COPY).read_text() == "{}"


def test_the_command_asks_for_the_tokens_that_the_file_names(pod: Pod, origin: Path) -> None:
    bundle(origin, "v1")
    (origin / "tokens").write_text(TOKEN)
    file = origin / "serve.yaml"
    file.write_text(f"bundle: {origin / 'v1'}\nserver: {{tokens: {origin / 'tokens'}}}")
    pod.serve("--config", str(file))
    pod.await_ready()
    answers = [ask(pod.port, "POST", INFER, BODY, authorization=f"Bearer {token}")[0] for token in ("x" * 32, TOKEN)]
    assert answers == [401, 200]
    (counted,) = [line for line in pod.series("edgemodel_requests_total") if 'outcome="unauthorized"' in line]
    assert counted.endswith(" 1.0")
