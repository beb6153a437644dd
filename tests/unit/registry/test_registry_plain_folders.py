"""Artifacts from a folder behind HTTPS and from a folder on this machine."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgemodel.bundle import CARD, CONFIG, MANIFEST, MODEL, Blob, digest_of, render_manifest
from edgemodel_registry import (
    ArtifactInvalid,
    ArtifactMissing,
    CertificateUntrusted,
    Client,
    ConnectionRefused,
    DigestMismatch,
    NameUnresolved,
    Refused,
    SettingsInvalid,
    Unreachable,
)
from tests.unit.registry.real_registry import BreakingProxy, Certificate, make_certificate
from tests.unit.registry.token_service import serve


class QuietFiles(SimpleHTTPRequestHandler):
    """Knows no ranges, as many plain servers."""

    def log_message(self, *_: object) -> None:
        pass


class LeadsOutOfTls(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:1/manifest.json")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class WantsTokens(BaseHTTPRequestHandler):
    """A registry that names a token service."""

    def __init__(self, *arguments: object, realm: str) -> None:
        self.realm = realm
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", f'Bearer realm="{self.realm}",service="s"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def https(certificate: Certificate, handler: object) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    with serve(server) as host:
        yield host


def digest_in(folder: Path) -> str:
    return digest_of((folder / MANIFEST).read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_behind_https_is_pulled_like_a_registry(
    certificate: Certificate, bundle: Path, tmp_path: Path
) -> None:
    with https(certificate, partial(QuietFiles, directory=bundle.parent)) as host:
        Client(certificate.certificate).pull(f"https://{host}/bundle/", digest_in(bundle), tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_an_authority_of_ones_own_is_trusted_besides_the_systems(
    certificate: Certificate, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "public").mkdir()
    public = make_certificate(tmp_path / "public", issuer="public")
    monkeypatch.setenv("SSL_CERT_FILE", str(public.certificate))  # where OpenSSL finds the system's
    client, files = Client(certificate.certificate), partial(QuietFiles, directory=bundle.parent)
    with https(certificate, files) as own, https(public, files) as other:
        client.pull(f"https://{own}/bundle", digest_in(bundle), tmp_path / "own")
        client.pull(f"https://{other}/bundle", digest_in(bundle), tmp_path / "other")
    assert contents(tmp_path / "own") == contents(tmp_path / "other") == contents(bundle)


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    with pytest.raises(SettingsInvalid, match=r"ca\.crt: no usable CA file"):
        Client(tmp_path / "ca.crt").pull("https://127.0.0.1:1/x", "sha256:" + "0" * 64, tmp_path / "p")


@pytest.mark.parametrize(
    ("host", "error"),
    [("127.0.0.1:1", ConnectionRefused), ("registry.invalid", NameUnresolved), ("", CertificateUntrusted)],
)
def test_why_a_server_is_not_reached_is_told_apart(
    host: str, error: type[Unreachable], certificate: Certificate, bundle: Path, tmp_path: Path
) -> None:
    with (
        https(certificate, partial(QuietFiles, directory=bundle.parent)) as stranger,
        pytest.raises(Unreachable) as raised,
    ):
        Client().pull(f"https://{host or stranger}/bundle/", digest_in(bundle), tmp_path / "p")
    assert type(raised.value) is error


def test_a_server_that_knows_no_ranges_is_asked_from_the_start(
    certificate: Certificate, bundle: Path, tmp_path: Path
) -> None:
    client = Client(certificate.certificate)
    with https(certificate, partial(QuietFiles, directory=bundle.parent)) as host:
        with BreakingProxy(host, budget=150_000) as proxy, pytest.raises(Unreachable):
            client.pull(f"https://{proxy.host}/bundle", digest_in(bundle), tmp_path / "p", names=[MODEL])
        assert (tmp_path / "p" / f"{MODEL}.partial").stat().st_size
        client.pull(f"https://{host}/bundle", digest_in(bundle), tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_a_server_that_leads_out_of_tls_is_not_followed(certificate: Certificate, tmp_path: Path) -> None:
    with https(certificate, LeadsOutOfTls) as host, pytest.raises(Refused, match="without TLS"):
        Client(certificate.certificate).pull(f"https://{host}/x", "sha256:" + "0" * 64, tmp_path / "p")


@pytest.mark.parametrize(
    ("realm", "error"),
    [
        ("http://127.0.0.1:1/token", Unreachable),
        ("http://tokens.invalid/token", Refused),
    ],
)
def test_a_token_service_is_asked_only_where_the_login_is_safe(
    tmp_path: Path, realm: str, error: type[Exception]
) -> None:
    with serve(ThreadingHTTPServer(("127.0.0.1", 0), partial(WantsTokens, realm=realm))) as host, pytest.raises(error):
        Client().pull(f"oci://{host}/x", "sha256:" + "0" * 64, tmp_path / "p")


def test_a_folder_on_this_machine_is_pulled_like_a_registry(bundle: Path, tmp_path: Path) -> None:
    Client().pull(bundle.as_uri(), digest_in(bundle), tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_a_pull_from_a_folder_on_this_machine_imports_no_http_library(bundle: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edgemodel_registry import Client; "
        f"Client().pull({bundle.as_uri()!r}, {digest_in(bundle)!r}, Path({str(tmp_path / 'p')!r})); "
        "print({'requests', 'oras', 'urllib3'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_folder_that_holds_another_artifact_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DigestMismatch, match="want a manifest with digest"):
        Client().pull(bundle.as_uri(), "sha256:" + "0" * 64, tmp_path / "p")


def test_a_file_longer_than_its_manifest_says_is_refused(bundle: Path, tmp_path: Path) -> None:
    with (bundle / MODEL).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DigestMismatch, match="longer than"):
        Client().pull(bundle.as_uri(), digest_in(bundle), tmp_path / "p")
    assert not list((tmp_path / "p").glob(f"{MODEL}*"))


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="nowhere"):
        Client().pull((tmp_path / "nowhere").as_uri(), "sha256:" + "0" * 64, tmp_path / "p")


def test_a_pipe_in_place_of_a_file_does_not_hang_the_pull(bundle: Path, tmp_path: Path) -> None:
    (bundle / CARD).unlink()
    os.mkfifo(bundle / CARD)
    with pytest.raises(ArtifactInvalid, match="not a regular file"):
        Client().pull(bundle.as_uri(), digest_in(bundle), tmp_path / "p")


@pytest.mark.parametrize("name", [MANIFEST, CONFIG, f"{MODEL}.partial"])
def test_a_stranger_cannot_put_a_file_where_we_keep_our_own(tmp_path: Path, name: str) -> None:
    blob = Blob(digest_of(b"x"), 1)
    manifest = render_manifest({MODEL: blob}, blob).replace(MODEL.encode(), name.encode())
    (tmp_path / MANIFEST).write_bytes(manifest)
    with pytest.raises(ArtifactInvalid, match="may not be called"):
        Client().pull(tmp_path.as_uri(), digest_of(manifest), tmp_path / "p")
