"""Addresses, tags and login files: what is accepted, and that refusals say what was wanted."""

import base64
import json
from pathlib import Path

import pytest

from edgemodel_registry import SettingsInvalid
from edgemodel_registry.address import check_tag, parse_address
from edgemodel_registry.login import Login, read_login


@pytest.mark.parametrize(
    ("uri", "host", "path"),
    [
        ("oci://registry.plant:5000/digits", "registry.plant:5000", "digits"),
        ("oci://registry/team/digits-samples", "registry", "team/digits-samples"),
        ("https://models.plant/digits/v1/", "models.plant", "digits/v1"),
        ("file:///var/models/digits%20v1", "", "/var/models/digits v1"),
    ],
)
def test_an_address_is_taken_apart(uri: str, host: str, path: str) -> None:
    address = parse_address(uri)
    assert (address.host, address.path) == (host, path)


@pytest.mark.parametrize(
    "uri",
    [
        "oci://registry:5000/digits:v1",
        "oci://registry:5000/digits@sha256:" + "0" * 64,
        "oci://registry:5000/Digits",
        "oci://registry:5000/",
        "oci://user:secret@registry/digits",
        "oci://registry/../digits",
        "http://registry/digits",
        "https://models/digits?token=1",
        "https://[::1/digits",
        "file://host/var/models",
        "digits",
    ],
)
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(SettingsInvalid):
        parse_address(uri)


@pytest.mark.parametrize(
    ("uri", "loopback"),
    [
        ("oci://localhost:5000/x", True),
        ("oci://127.0.0.1:5000/x", True),
        ("oci://localhost.plant/x", False),
        ("oci://10.0.0.1:5000/x", False),
    ],
)
def test_only_this_very_machine_may_do_without_tls(uri: str, loopback: bool) -> None:
    assert parse_address(uri).loopback is loopback


@pytest.mark.parametrize("tag", ["", "-v1", "a/b", "v1 ", "x" * 129])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(SettingsInvalid):
        check_tag(tag)


@pytest.mark.parametrize("key", ["registry:5000", "https://registry:5000", "https://registry:5000/v1/"])
@pytest.mark.parametrize(
    "entry",
    [{"username": "u", "password": "p:1"}, {"auth": base64.b64encode(b"u:p:1").decode()}],
)
def test_a_login_is_found_however_it_was_written(tmp_path: Path, key: str, entry: dict[str, str]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"registry": {"auth": "x"}, key: entry}}))
    assert read_login(path, "registry:5000", "digits") == Login("u", "p:1")


@pytest.mark.parametrize(
    ("host", "repository", "user"),
    [
        ("registry.gitlab.com", "a/digits", "of a"),
        ("registry.gitlab.com", "a", "of a"),
        ("registry.gitlab.com", "b/digits", "of b"),
        ("registry.gitlab.com", "b/deeper/digits", "deeper"),
        ("registry.gitlab.com", "ab/digits", "of the host"),
        ("eu.registry.example", "digits", "of any region"),
        ("eu.registry.example", "private/digits", "of a part of any region"),
        ("us.registry.example", "private/digits", "of us"),
        ("registry.example", "digits", None),
        ("a.eu.registry.example", "digits", None),
        ("eu.registry.example:5000", "digits", "of that port"),
        ("registry.gitlab.com:5000", "a/digits", None),
        ("docker.io", "me/digits", "of the hub"),
        ("registry-1.docker.io", "me/digits", "of the hub"),
        ("index.docker.io", "v1/digits", "of the hub"),
        ("quay.io", "v2/digits", "of v2"),
        ("quay.io", "digits", None),
    ],
)
def test_the_login_of_a_repository_is_the_one_that_the_kubelet_takes(
    tmp_path: Path, host: str, repository: str, user: str | None
) -> None:
    users = {
        "registry.gitlab.com": "of the host",
        "registry.gitlab.com/a": "of a",
        "https://registry.gitlab.com/b/": "of b",
        "registry.gitlab.com/b/deeper": "deeper",
        "*.registry.example": "of any region",
        "*.registry.example/private": "of a part of any region",
        "us.registry.example": "of us",
        "*.registry.example:5000": "of that port",
        "https://index.docker.io/v1/": "of the hub",
        "quay.io/v1/v2": "of v2",
    }
    entries = {key: {"auth": base64.b64encode(f"{user}:p".encode()).decode()} for key, user in users.items()}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": entries | {"registry.gitlab.com/b/digits": {}}}))  # left to a helper
    found = read_login(path, host, repository)
    assert (found and found.user) == user


@pytest.mark.parametrize("text", ["secret", '{"auths": ["secret"]}', '{"auths": {"r": {"auth": "secret!"}}}', "[]"])
def test_a_broken_login_file_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=r"config\.json") as caught:
        read_login(path, "r", "digits")
    assert "secret" not in str(caught.value)


def test_a_login_keeps_its_password_out_of_sight() -> None:
    assert "hidden" not in repr(Login("u", "hidden"))
