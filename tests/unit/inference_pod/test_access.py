"""Certificates and tokens: asked for, read again when they change, and never worse than before."""

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemodel_inference.config.settings import read
from edgemodel_inference.errors import SettingsError, Unauthorized
from edgemodel_inference.model.models import Model
from edgemodel_inference.web import access, app
from edgemodel_inference.web.access import Tokens, parse_tokens
from edgemodel_inference.web.pages import FILES
from tests.unit.inference_pod.asgi import call
from tests.unit.inference_pod.certificates import write_pair
from tests.unit.inference_pod.desk import Desk
from tests.unit.inference_pod.live_pod import BODY, INFER, Pod, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish

OLD, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"{OLD}\n\n{NEW}\n")
    return path


@pytest.fixture
def tokens(file: Path, monkeypatch: pytest.MonkeyPatch) -> Tokens:
    monkeypatch.setattr(access, "LOOK_SECONDS", 0.0)
    return Tokens(file)


@pytest.mark.parametrize("header", [f"Bearer {OLD}", f"bearer {NEW}", f"BEARER  {NEW} "])
def test_each_of_several_tokens_is_valid(tokens: Tokens, header: str) -> None:
    tokens.check(header.encode())


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Basic {OLD}", OLD, f"Bearer {OLD}x", "Bearer \xff"]
)
def test_anything_else_is_not(tokens: Tokens, header: str | None) -> None:
    with pytest.raises(Unauthorized):
        tokens.check(None if header is None else header.encode("latin-1"))


def test_a_token_that_was_taken_out_is_not_valid_any_more_and_a_new_one_is(tokens: Tokens, file: Path) -> None:
    file.write_text("another-token-of-some-length")
    tokens.check(b"Bearer another-token-of-some-length")
    with pytest.raises(Unauthorized):
        tokens.check(f"Bearer {OLD}".encode())


@pytest.mark.parametrize("content", ["", "short", None])
def test_a_file_that_cannot_be_used_any_more_changes_nothing(tokens: Tokens, file: Path, content: str | None) -> None:
    file.unlink() if content is None else file.write_text(content)
    tokens.check(f"Bearer {OLD}".encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "want at least one token"),
        (f"{OLD}\nshort".encode(), "line 2: want one token of at least 16"),
        (b"\xff" * 20, "line 1: want one token"),
        (f"{OLD} {NEW}".encode(), "line 1: want one token"),
    ],
)
def test_a_wrong_token_file_is_told_by_its_line_and_never_by_what_stands_there(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_tokens(content)
    assert "short" not in str(caught.value)
    assert NEW not in str(caught.value)


async def test_without_a_token_only_probes_and_empty_pages_are_answered(tiny_model: Model, tokens: Tokens) -> None:
    desk = Desk(tiny_model, tokens)
    for path in app.OPEN:
        assert (await call(desk.app, "GET", path)).status == 200, path
    for path in (INFER, "/v2", "/v2/models/tiny", "/card", "/predict", "/nowhere", "//health"):
        reply = await call(desk.app, "POST", path, [])
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="edgemodel"'), path
        assert "x-model-digest" not in reply.headers
    assert FILES.keys() <= app.OPEN


def test_each_caller_without_a_token_is_counted(file: Path) -> None:
    refused: list[int] = []
    tokens = Tokens(file, lambda: refused.append(1))
    tokens.check(f"Bearer {OLD}".encode())
    for _ in range(3):
        with pytest.raises(Unauthorized):
            tokens.check(b"Bearer nonsense")
    assert len(refused) == 3


async def test_with_a_token_everything_is_answered(tiny_model: Model, tokens: Tokens) -> None:
    desk = Desk(tiny_model, tokens)
    assert (await call(desk.app, "POST", INFER, BODY.encode(), authorization=f"Bearer {NEW}")).status == 200


def use(environment: dict[str, str]) -> None:
    settings = read(environment)
    access.read_tls(settings)
    access.read_tokens(settings)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"EDGEMODEL_TLS_CERT": "tls.crt"}, "EDGEMODEL_TLS_CERT, EDGEMODEL_TLS_KEY: want both or none"),
        (
            {"EDGEMODEL_TLS_CERT": "nowhere", "EDGEMODEL_TLS_KEY": "x"},
            "EDGEMODEL_TLS_CERT, EDGEMODEL_TLS_KEY: .*No such",
        ),
        ({"EDGEMODEL_TLS_CERT": "tls.key", "EDGEMODEL_TLS_KEY": "tls.crt"}, "want a PEM certificate and its key"),
        ({"EDGEMODEL_TOKENS": "nowhere"}, "EDGEMODEL_TOKENS: .*No such file"),
    ],
)
def test_files_that_cannot_be_used_at_the_start_are_refused_by_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    write_pair(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=message):
        use(environment)


@pytest.fixture
def secure_pod(pod: Pod, origin: Path, tmp_path: Path, file: Path) -> Iterator[Pod]:
    certificate, key = write_pair(tmp_path)
    pod.wish(wish(bundle(origin, "v1")))
    pod.start(EDGEMODEL_TLS_CERT=str(certificate), EDGEMODEL_TLS_KEY=str(key), EDGEMODEL_TOKENS=str(file))
    pod.await_ready()
    return pod


def connect(pod: Pod, certificate: Path) -> http.client.HTTPSConnection:
    """A connection that trusts `certificate` only."""
    context = ssl.create_default_context(cafile=certificate)
    return http.client.HTTPSConnection("localhost", pod.port, timeout=20, context=context)


def infer(connection: http.client.HTTPSConnection, token: str) -> int:
    connection.request("POST", INFER, BODY, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def trusted(pod: Pod, certificate: Path) -> bool:
    connection = connect(pod, certificate)
    try:
        connection.connect()
    except ssl.SSLError:
        return False
    finally:
        connection.close()
    return True


def test_a_certificate_is_renewed_while_old_connections_go_on(secure_pod: Pod, tmp_path: Path) -> None:
    old = connect(secure_pod, tmp_path / "tls.crt")
    assert (infer(old, OLD), infer(old, "x" * 32)) == (200, 401)
    assert infer(old, OLD) == 200
    certificate, key = write_pair(tmp_path)
    wait_until(lambda: trusted(secure_pod, certificate), "the new certificate")
    socket = old.sock
    assert (infer(old, OLD), old.sock) == (200, socket), "the old connection goes on"
    key.write_text("half a ke")
    wait_until(
        lambda: (
            trusted(secure_pod, certificate)
            and secure_pod.logged("changed file not usable, the old content stays valid")
        ),
        "a word",
    )
    assert trusted(secure_pod, certificate), "what was there before stays valid"
    old.close()
