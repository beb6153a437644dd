"""Keys and signatures, as a user of the command meets them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemodel.bundle import MANIFEST
from edgemodel.signature import SIGNATURES
from edgemodel_registry import Client
from edgemodel_registry.signing import check
from tests.unit.cli.conftest import Ended
from tests.unit.registry.real_registry import RealRegistry

Edgemodel = Callable[..., Ended]


@pytest.fixture
def key(edgemodel: Edgemodel, tmp_path: Path) -> Path:
    assert edgemodel("key", "create", tmp_path / "plant.key").code == 0
    return tmp_path / "plant.key"


@pytest.fixture
def bundle(edgemodel: Edgemodel, model: Path, tmp_path: Path) -> Path:
    assert edgemodel("bundle", "create", model, "-o", tmp_path / "b").code == 0
    return tmp_path / "b"


def public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


def test_a_new_keys_public_half_is_alone_on_stdout(edgemodel: Edgemodel, tmp_path: Path) -> None:
    made = edgemodel("key", "create", tmp_path / "k")
    assert made.out.strip() == (tmp_path / "k.pub").read_text().splitlines()[1]
    assert "keep it secret" in made.err


def test_a_key_that_is_there_is_left_alone(edgemodel: Edgemodel, key: Path) -> None:
    before = key.read_text()
    ended = edgemodel("key", "create", key)
    assert (ended.code, "is there already" in ended.err, key.read_text()) == (1, True, before)


def test_a_signed_folder_verifies(edgemodel: Edgemodel, bundle: Path, key: Path) -> None:
    edgemodel("bundle", "sign", bundle, "--key", key)
    ended = edgemodel("bundle", "verify", bundle, "--trusted-key", public(key))
    assert (ended.code, "signed by " in ended.out) == (0, True)


def test_an_unsigned_folder_does_not_verify_where_keys_are_given(edgemodel: Edgemodel, bundle: Path, key: Path) -> None:
    ended = edgemodel("bundle", "verify", bundle, "--trusted-key", public(key))
    assert (ended.code, "nobody signed it" in ended.err) == (1, True)


def test_an_unsigned_folder_verifies_where_no_keys_are_given(edgemodel: Edgemodel, bundle: Path) -> None:
    assert edgemodel("bundle", "verify", bundle).code == 0


def test_push_signs_with_a_key(edgemodel: Edgemodel, registry: RealRegistry, bundle: Path, key: Path) -> None:
    digest = edgemodel("bundle", "push", bundle, registry.uri("signed"), "--sign-key", key).out.strip()
    line = public(key).read_text().splitlines()[1]
    assert check(digest, Client().signatures(registry.uri("signed"), digest), [line]) == line


def test_a_signature_follows_a_bundle_through_a_registry(
    edgemodel: Edgemodel, registry: RealRegistry, bundle: Path, key: Path, tmp_path: Path
) -> None:
    digest = edgemodel("bundle", "push", bundle, registry.uri("through"), "--sign-key", key).out.strip()
    edgemodel("bundle", "pull", registry.uri("through"), "--digest", digest, "-o", tmp_path / "copy")
    assert edgemodel("bundle", "verify", tmp_path / "copy", "--trusted-key", public(key)).code == 0


def test_a_data_set_is_signed_when_it_is_pushed(
    edgemodel: Edgemodel, registry: RealRegistry, key: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.zeros((4, 2), np.float32), labels=np.arange(4))
    digest = edgemodel("dataset", "push", tmp_path / "d.npz", registry.uri("data"), "--sign-key", key).out.strip()
    line = public(key).read_text().splitlines()[1]
    assert check(digest, Client().signatures(registry.uri("data"), digest), [line]) == line


def test_what_lies_in_a_registry_can_be_signed_and_inspected(
    edgemodel: Edgemodel, registry: RealRegistry, bundle: Path, key: Path
) -> None:
    uri = registry.uri("there")
    digest = edgemodel("bundle", "push", bundle, uri).out.strip()
    assert edgemodel("bundle", "sign", uri, "--digest", digest, "--key", key).code == 0
    shown = edgemodel("bundle", "inspect", uri, "--digest", digest, "--trusted-key", public(key), "-o", "json")
    signatures = json.loads(shown.out)["signatures"]
    assert (signatures["trusted"], signatures["keys"], signatures["problem"]) == (
        signatures["keys"][0],
        [signatures["trusted"]],
        None,
    )


@pytest.mark.parametrize(
    ("signed", "trusted", "told"),
    [
        (False, None, "nobody signed it"),
        (True, None, "(not checked: see --trusted-key)"),
        (True, "plant.key.pub", "(trusted)"),
        (True, "other.key.pub", "which is not trusted"),
    ],
)
def test_inspect_says_who_signed(  # noqa: PLR0913, PLR0917 (fixtures and cases)
    edgemodel: Edgemodel, bundle: Path, key: Path, tmp_path: Path, signed: bool, trusted: str | None, told: str
) -> None:
    edgemodel("key", "create", tmp_path / "other.key")
    if signed:
        edgemodel("bundle", "sign", bundle, "--key", key)
    shown = edgemodel("bundle", "inspect", bundle, *(("--trusted-key", tmp_path / trusted) if trusted else ()))
    assert told in next(line for line in shown.out.splitlines() if line.startswith("signed by"))


def test_what_changed_after_it_was_signed_is_named(edgemodel: Edgemodel, bundle: Path, key: Path) -> None:
    edgemodel("bundle", "sign", bundle, "--key", key)
    (bundle / MANIFEST).write_bytes((bundle / MANIFEST).read_bytes() + b" ")
    ended = edgemodel("bundle", "verify", bundle, "--trusted-key", public(key))
    assert (ended.code, "a signature of sha256:" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("bundle", "sign", "https://host/b", "--key", "plant.key"), "only a folder or an oci:// address"),
        (("bundle", "sign", "oci://127.0.0.1:1/b", "--key", "plant.key"), "--digest: an address needs"),
        (("bundle", "sign", "b", "--key", "plant.key.pub"), "want an Ed25519 private key"),
        (("bundle", "sign", "b", "--key", "none"), "cannot be read"),
        (("bundle", "sign", "nothing", "--key", "plant.key"), "no artifact"),
        (("bundle", "verify", "b", "--trusted-key", "plant.key"), "got a private one"),
    ],
)
def test_a_wrong_call_says_what_is_wanted(  # noqa: PLR0913, PLR0917 (fixtures and cases)
    monkeypatch: pytest.MonkeyPatch,
    edgemodel: Edgemodel,
    bundle: Path,
    key: Path,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(key.parent)
    ended = edgemodel(*arguments)
    assert (ended.code, told in ended.err) == (1, True)
    assert not (bundle / SIGNATURES).exists()
