"""Certificates that openssl itself accepts, and the images and builds that need no cluster."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from lab import build, sandbox
from lab.home import Home
from lab.pki import Authority
from lab.progress import Progress


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "pki")
    made.ensure()
    return made


def openssl(*arguments: str | Path) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


def test_a_certificate_is_signed_and_names_user_groups_and_hosts(authority: Authority) -> None:
    pair = authority.issue("node-x", user="system:node:x", groups=["system:nodes"], hosts=["x", "10.89.0.9"])

    assert "OK" in openssl("verify", "-CAfile", authority.certificate, pair.certificate)
    text = openssl("x509", "-in", pair.certificate, "-noout", "-text")
    assert "O = system:nodes, CN = system:node:x" in text or "O=system:nodes, CN=system:node:x" in text
    assert "DNS:x, IP Address:10.89.0.9" in text


def test_keys_are_for_their_owner_only(authority: Authority) -> None:
    assert authority.issue("a").key.stat().st_mode & 0o077 == 0


def test_an_authority_that_is_there_stays(authority: Authority) -> None:
    before = authority.certificate.read_bytes()
    authority.ensure()
    assert authority.certificate.read_bytes() == before


def test_the_sandbox_image_has_one_program_and_matching_digests(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    sandbox.write(program, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = archive.getnames()
        config = archive.extractfile("config.json")
        assert config is not None
        assert json.load(config)["config"]["Entrypoint"] == ["/pause"]
    assert names == ["layer.tar", "config.json", "manifest.json"]


def test_what_is_built_is_not_built_again_and_changed_inputs_are(tmp_path: Path) -> None:
    made: list[Path] = []
    source = tmp_path / "source"
    source.write_text("1")

    def make(output: Path, _: Path) -> None:
        made.append(output)
        (output / "tool").write_text(source.read_text())

    product = build.Product("tool", ("tool",), (source,), "", make)
    home = Home(tmp_path / "home")
    home.make_folders()

    for content in ("1", "1", "2"):
        source.write_text(content)
        build.ensure(home, Progress(lambda _: None), products=(product,))

    assert len(made) == 2
    assert (home.bin / "tool").read_text() == "2"
