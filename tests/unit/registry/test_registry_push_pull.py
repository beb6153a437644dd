"""Push and pull against a real registry."""

import base64
import json
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from edgemodel.bundle import EDGE_FILES, MANIFEST, MODEL, digest_of
from edgemodel_registry import (
    ArtifactInvalid,
    ArtifactMissing,
    Client,
    DigestMismatch,
    SettingsInvalid,
    TooLarge,
    Unauthorised,
    Unreachable,
    write_manifest,
)
from edgemodel_registry.pace import SLACK
from edgemodel_registry.session import CHUNK
from edgemodel_registry.signing import check, create_key, sign_folder
from tests.unit.registry.real_registry import PASSWORD, USER, BreakingProxy, Certificate, RealRegistry
from tests.unit.registry.small_registry import run_small_registry

NOWHERE = "sha256:" + "0" * 64
BESIDES = CHUNK + 20_000
"""Bytes: the piece that was on its way at the cut, and more than a pull's headers and manifest."""


def login_file(folder: Path, host: str, password: str = PASSWORD) -> Path:
    path = folder / "config.json"
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": token}}}))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_pushed_comes_back_byte_for_byte(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    Client().pull(registry.uri(), digest, tmp_path / "pulled")
    assert contents(tmp_path / "pulled") == contents(bundle)


def test_the_digest_of_a_push_is_that_of_the_manifest_file(registry: RealRegistry, bundle: Path) -> None:
    assert Client().push(bundle, registry.uri()) == digest_of((bundle / MANIFEST).read_bytes())


def test_a_second_push_uploads_no_blob_again(registry: RealRegistry, bundle: Path) -> None:
    Client().push(bundle, registry.uri("twice"))
    with BreakingProxy(registry.host) as proxy:
        Client().push(bundle, f"oci://{proxy.host}/twice")
    assert proxy.received < (bundle / MODEL).stat().st_size


@pytest.mark.parametrize("loses_answer", [False, True], ids=["before the write", "after the write"])
def test_a_push_that_is_cut_at_any_write_leaves_the_whole_signed_artifact_or_none(
    bundle: Path, tmp_path: Path, loses_answer: bool
) -> None:
    key = create_key(tmp_path / "plant.key")
    sign_folder(bundle, key)
    digest, left = digest_of((bundle / MANIFEST).read_bytes()), []
    for takes in count():
        with run_small_registry() as registry:
            registry.takes, registry.loses_answer = takes, loses_answer
            with suppress(Unreachable):
                Client().push(bundle, registry.uri(), tags=["v1"])
            whole = registry.takes >= 0  # the link was never cut
            registry.takes = None
            tagged = Client().resolve(registry.uri(), "v1")
            if there := digest in registry.manifests:
                Client().pull(registry.uri(), digest, tmp_path / f"pulled-{takes}")
            if tagged is not None:
                assert check(tagged, Client().signatures(registry.uri(), tagged), [key.public]) == key.public
            left.append((there, tagged == digest))
        if whole:
            break
    assert left[0] == (False, False)
    assert left[-1] == (True, True)
    assert left == sorted(left)  # nothing at first, then the artifact, then its tag
    assert (True, False) in left


def test_a_large_model_goes_up_in_pieces(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    (bundle / MODEL).write_bytes(bytes(17 * 1024 * 1024))
    digest = write_manifest(bundle, "large")
    Client().push(bundle, registry.uri("large"))
    Client().pull(registry.uri("large"), digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_a_tag_resolves_to_the_digest_it_was_pushed_with(registry: RealRegistry, bundle: Path) -> None:
    digest = Client().push(bundle, registry.uri(), tags=["v1", "stable"])
    assert Client().resolve(registry.uri(), "stable") == digest


def test_a_tag_that_does_not_exist_resolves_to_nothing(registry: RealRegistry) -> None:
    assert Client().resolve(registry.uri(), "never") is None


def test_a_node_fetches_only_the_files_it_names(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    Client().pull(registry.uri(), digest, tmp_path / "node", names={*EDGE_FILES, "not-in-the-manifest"})
    assert set(contents(tmp_path / "node")) == {*EDGE_FILES, MANIFEST}


def test_progress_ends_at_all_bytes_wanted(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    seen: list[tuple[int, int]] = []
    Client().pull(registry.uri(), digest, tmp_path / "p", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]


def test_a_whole_folder_needs_no_registry_any_more(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    Client().pull(registry.uri(), digest, tmp_path / "p")
    Client().pull("oci://127.0.0.1:1/digits", digest, tmp_path / "p")


def test_a_flipped_bit_on_the_disk_is_noticed_and_mended(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    Client().pull(registry.uri(), digest, tmp_path / "p")
    rotten = bytearray((tmp_path / "p" / MODEL).read_bytes())
    rotten[1000] ^= 1
    (tmp_path / "p" / MODEL).write_bytes(rotten)
    Client().pull(registry.uri(), digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_a_damaged_folder_does_not_look_whole_while_the_link_is_down(
    registry: RealRegistry, bundle: Path, tmp_path: Path
) -> None:
    digest = Client().push(bundle, registry.uri())
    Client().pull(registry.uri(), digest, tmp_path / "p")
    (tmp_path / "p" / MODEL).write_bytes(b"rotten")
    with BreakingProxy(registry.host, budget=0) as proxy, pytest.raises(Unreachable):
        Client().pull(f"oci://{proxy.host}/digits", digest, tmp_path / "p")
    assert not (tmp_path / "p" / MANIFEST).exists()


def test_one_pull_survives_a_connection_that_breaks_again_and_again(
    registry: RealRegistry, bundle: Path, tmp_path: Path
) -> None:
    digest = Client().push(bundle, registry.uri())
    with BreakingProxy(registry.host, limit=100_000) as proxy:
        Client().pull(f"oci://{proxy.host}/digits", digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_the_next_pull_goes_on_where_the_link_was_cut(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    with BreakingProxy(registry.host, budget=200_000) as proxy, pytest.raises(Unreachable):
        Client().pull(f"oci://{proxy.host}/digits", digest, tmp_path / "p", names=[MODEL])
    with BreakingProxy(registry.host) as proxy:
        Client().pull(f"oci://{proxy.host}/digits", digest, tmp_path / "p", names=[MODEL])
    assert (tmp_path / "p" / MODEL).read_bytes() == (bundle / MODEL).read_bytes()
    assert proxy.forwarded < (bundle / MODEL).stat().st_size / 2


def test_a_damaged_rest_of_an_earlier_pull_is_thrown_away(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest = Client().push(bundle, registry.uri())
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / f"{MODEL}.partial").write_bytes(b"\0" * 1000)
    Client().pull(registry.uri(), digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


def test_a_blob_that_rotted_in_the_registry_is_refused(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    model = bytearray((bundle / MODEL).read_bytes())
    digest = Client().push(bundle, registry.uri())
    blob = next(p for p in registry.folder.rglob("data") if p.is_file() and p.stat().st_size == len(model))
    blob.write_bytes(bytes(len(model)))
    try:
        with pytest.raises(DigestMismatch, match=MODEL):
            Client().pull(registry.uri(), digest, tmp_path / "p")
    finally:
        blob.write_bytes(model)
    assert {MANIFEST, MODEL, f"{MODEL}.partial"}.isdisjoint(contents(tmp_path / "p"))


def test_too_large_an_artifact_is_refused_before_its_download(
    registry: RealRegistry, bundle: Path, tmp_path: Path
) -> None:
    digest = Client().push(bundle, registry.uri())
    with pytest.raises(TooLarge, match="1000 are allowed"):
        Client().pull(registry.uri(), digest, tmp_path / "p", max_bytes=1000)
    assert not (tmp_path / "p").exists()


def test_a_digest_that_the_registry_has_not_is_missing(registry: RealRegistry, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=NOWHERE):
        Client().pull(registry.uri(), NOWHERE, tmp_path / "p")


def test_a_closed_port_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        Client().pull("oci://127.0.0.1:1/digits", NOWHERE, tmp_path / "p")
    assert caught.value.retryable


def test_a_folder_that_changed_after_its_manifest_is_not_pushed(registry: RealRegistry, bundle: Path) -> None:
    (bundle / MODEL).write_bytes(b"another")
    with pytest.raises(ArtifactInvalid, match=MODEL):
        Client().push(bundle, registry.uri())


def test_a_login_and_an_authority_of_ones_own_open_a_guarded_registry(
    guarded_registry: RealRegistry, certificate: Certificate, bundle: Path, tmp_path: Path
) -> None:
    client = Client(certificate.certificate, login_file(tmp_path, guarded_registry.host))
    digest = client.push(bundle, guarded_registry.uri(), tags=["v1"])
    client.pull(guarded_registry.uri(), digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_a_good_login_a_guarded_registry_says_so(
    guarded_registry: RealRegistry, certificate: Certificate, bundle: Path, tmp_path: Path, password: str | None
) -> None:
    login = login_file(tmp_path, guarded_registry.host, password) if password else None
    with pytest.raises(Unauthorised):
        Client(certificate.certificate, login).push(bundle, guarded_registry.uri())


def test_a_login_is_not_given_to_another_host(
    guarded_registry: RealRegistry, certificate: Certificate, bundle: Path, tmp_path: Path
) -> None:
    client = Client(certificate.certificate, login_file(tmp_path, "registry.example:5000"))
    with pytest.raises(Unauthorised, match="none is configured"):
        client.push(bundle, guarded_registry.uri())


@pytest.mark.parametrize("bandwidth", [None, 10_000_000])
def test_a_login_is_exchanged_for_tokens_where_the_registry_wants_tokens(
    token_registry: RealRegistry, bundle: Path, tmp_path: Path, bandwidth: int | None
) -> None:
    client = Client(docker_config=login_file(tmp_path, token_registry.host), bandwidth=bandwidth)
    digest = client.push(bundle, token_registry.uri())
    client.pull(token_registry.uri(), digest, tmp_path / "p")
    assert contents(tmp_path / "p") == contents(bundle)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_a_good_login_there_is_no_token(
    token_registry: RealRegistry, bundle: Path, tmp_path: Path, password: str | None
) -> None:
    login = login_file(tmp_path, token_registry.host, password) if password else None
    with pytest.raises(Unauthorised, match="no token"):
        Client(docker_config=login).push(bundle, token_registry.uri())


def test_an_unknown_authority_is_not_trusted(guarded_registry: RealRegistry, bundle: Path) -> None:
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        Client().push(bundle, guarded_registry.uri())


def test_a_missing_login_file_is_named(registry: RealRegistry, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"nowhere\.json"):
        Client(docker_config=tmp_path / "nowhere.json").resolve(registry.uri(), "v1")


@pytest.mark.parametrize("digest", ["v1", "sha256:" + "a" * 63, "sha256:" + "A" * 64, "sha256:" + "a" * 64 + "\n"])
def test_what_is_no_digest_is_not_asked_for(digest: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="want sha256:<64 hex digits>"):
        Client().pull("oci://127.0.0.1:1/digits", digest, tmp_path / "p")


@pytest.mark.parametrize("tenth", range(10))
def test_a_pull_that_was_cut_at_any_tenth_fetches_only_the_rest(
    registry: RealRegistry, bundle: Path, tmp_path: Path, tenth: int
) -> None:
    digest, size = Client().push(bundle, registry.uri("tenths")), (bundle / MODEL).stat().st_size
    with BreakingProxy(registry.host, budget=size * tenth // 10) as proxy, pytest.raises(Unreachable):
        Client(timeout=5).pull(f"oci://{proxy.host}/tenths", digest, tmp_path / "p", names={MODEL})
    assert not (tmp_path / "p" / MANIFEST).exists()
    with BreakingProxy(registry.host) as proxy:
        Client().pull(f"oci://{proxy.host}/tenths", digest, tmp_path / "p", names={MODEL})
    assert (tmp_path / "p" / MODEL).read_bytes() == (bundle / MODEL).read_bytes()
    assert proxy.forwarded < size * (10 - tenth) // 10 + BESIDES


def test_a_pull_takes_no_more_bandwidth_than_it_may(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    digest, size = Client().push(bundle, registry.uri("thin")), (bundle / MODEL).stat().st_size
    began = time.monotonic()
    Client(bandwidth=size).pull(registry.uri("thin"), digest, tmp_path / "p")
    assert time.monotonic() - began > 1 - SLACK


def test_a_push_takes_no_more_bandwidth_than_it_may(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    size = (bundle / MODEL).stat().st_size
    began = time.monotonic()
    digest = Client(bandwidth=size).push(bundle, registry.uri("thin-up"))
    assert time.monotonic() - began > 1 - SLACK
    Client().pull(registry.uri("thin-up"), digest, tmp_path / "p")
    assert (tmp_path / "p" / MODEL).read_bytes() == (bundle / MODEL).read_bytes()
