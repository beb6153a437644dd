"""Signatures of artifacts, in registries and beside folders."""

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from edgemodel.bundle import MANIFEST, digest_of
from edgemodel.signature import ENVELOPE_LIMIT, SIGNATURES, key_id
from edgemodel_registry import (
    ArtifactInvalid,
    ArtifactMissing,
    Client,
    SettingsInvalid,
    SignatureInvalid,
    SignatureMissing,
    Signatures,
    write_dataset,
)
from edgemodel_registry.signatures import MOST, read_signatures
from edgemodel_registry.signing import (
    SigningKey,
    check,
    create_key,
    keep,
    read_signing_key,
    read_trusted_keys,
    sign_folder,
)
from tests.unit.registry.real_registry import RealRegistry
from tests.unit.registry.small_registry import SmallRegistry, run_small_registry

OTHER = "sha256:" + "1" * 64


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return create_key(tmp_path / "plant.key")


@pytest.fixture
def strangers(tmp_path: Path) -> SigningKey:
    return create_key(tmp_path / "stranger.key")


@pytest.fixture
def listing() -> Iterator[SmallRegistry]:
    """A registry that lists referrers."""
    with run_small_registry() as running:
        yield running


def sealed(key: SigningKey, digest: str) -> bytes:
    return key.sign(digest).dump().encode()


def one(envelope: bytes) -> Signatures:
    return Signatures((envelope,))


def with_field(envelope: bytes, **fields: object) -> Signatures:
    return one(json.dumps(json.loads(envelope) | fields).encode())


def test_a_signature_is_found_again_in_a_registry_that_lists_no_referrers(
    registry: RealRegistry, bundle: Path, key: SigningKey
) -> None:
    sign_folder(bundle, key)
    digest = Client().push(bundle, registry.uri("signed"))
    assert check(digest, Client().signatures(registry.uri("signed"), digest), [key.public]) == key.public


def test_a_signature_is_found_again_in_a_registry_that_lists_referrers(
    listing: SmallRegistry, bundle: Path, key: SigningKey
) -> None:
    sign_folder(bundle, key)
    digest = Client().push(bundle, listing.uri())
    assert check(digest, Client().signatures(listing.uri(), digest), [key.public]) == key.public
    assert digest.replace(":", "-") not in listing.manifests  # no tag where none is needed


def test_what_a_tag_names_is_signed(listing: SmallRegistry, bundle: Path, key: SigningKey) -> None:
    sign_folder(bundle, key)
    digest = Client().push(bundle, listing.uri(), tags=["v1"])
    assert (listing.written[0], listing.written[2]) == (digest, "v1")
    assert [entry["digest"] for entry in listing.referrers(digest)] == [listing.written[1]]


def test_a_pushed_artifact_can_be_signed_where_it_lies(registry: RealRegistry, bundle: Path, key: SigningKey) -> None:
    digest = Client().push(bundle, registry.uri("later"))
    Client().attach(registry.uri("later"), digest, sealed(key, digest))
    assert check(digest, Client().signatures(registry.uri("later"), digest), [key.public]) == key.public


def test_what_is_not_there_cannot_be_signed(registry: RealRegistry, key: SigningKey) -> None:
    with pytest.raises(ArtifactMissing):
        Client().attach(registry.uri("nothing"), OTHER, sealed(key, OTHER))


def test_signing_twice_adds_nothing(registry: RealRegistry, bundle: Path, key: SigningKey) -> None:
    uri, digest = registry.uri("again"), sign_folder(bundle, key)
    for _ in range(2):
        sign_folder(bundle, key)
        Client().push(bundle, uri)
    assert len(Client().signatures(uri, digest).envelopes) == 1


@pytest.mark.parametrize("trusted", ["key", "strangers"])
def test_while_keys_change_both_may_sign(
    registry: RealRegistry, bundle: Path, key: SigningKey, strangers: SigningKey, trusted: str
) -> None:
    uri = registry.uri("rotated")
    digest = Client().push(bundle, uri)
    for each in (key, strangers):
        Client().attach(uri, digest, sealed(each, digest))
    public = {"key": key, "strangers": strangers}[trusted].public
    assert check(digest, Client().signatures(uri, digest), [public]) == public


def test_a_second_key_signs_a_folder_beside_the_first(bundle: Path, key: SigningKey, strangers: SigningKey) -> None:
    sign_folder(bundle, key)
    digest = sign_folder(bundle, strangers)
    for each in (key, strangers):
        assert check(digest, read_signatures(bundle), [each.public]) == each.public


def test_an_unsigned_artifact_has_no_signature(registry: RealRegistry, bundle: Path, key: SigningKey) -> None:
    digest = Client().push(bundle, registry.uri("unsigned"))
    with pytest.raises(SignatureMissing, match="nobody signed it"):
        check(digest, Client().signatures(registry.uri("unsigned"), digest), [key.public])


def test_another_keys_signature_is_named_and_not_trusted(key: SigningKey, strangers: SigningKey) -> None:
    with pytest.raises(SignatureInvalid, match=f"by the key {key_id(strangers.public)[:12]}, which is not trusted"):
        check(OTHER, one(sealed(strangers, OTHER)), [key.public])


def test_a_name_proves_nothing(key: SigningKey, strangers: SigningKey) -> None:
    sig = json.loads(sealed(strangers, OTHER))["signatures"][0]["sig"]
    forged = with_field(sealed(key, OTHER), signatures=[{"keyid": key_id(key.public), "sig": sig}])
    with pytest.raises(SignatureInvalid, match="not its own"):
        check(OTHER, forged, [key.public])


def test_a_signature_of_another_artifact_proves_nothing(bundle: Path, key: SigningKey) -> None:
    digest = digest_of((bundle / MANIFEST).read_bytes())
    with pytest.raises(SignatureInvalid, match=f"a signature of {OTHER}, not of {digest}"):
        check(digest, one(sealed(key, OTHER)), [key.public])


def test_a_signature_does_not_move_to_another_artifact(bundle: Path, key: SigningKey) -> None:
    digest = digest_of((bundle / MANIFEST).read_bytes())
    payload = json.loads(sealed(key, digest))["payload"]
    with pytest.raises(SignatureInvalid, match="not its own, or damaged"):
        check(digest, with_field(sealed(key, OTHER), payload=payload), [key.public])


def test_a_changed_manifest_is_no_longer_what_was_signed(bundle: Path, key: SigningKey) -> None:
    sign_folder(bundle, key)
    (bundle / MANIFEST).write_bytes((bundle / MANIFEST).read_bytes() + b" ")
    with pytest.raises(SignatureInvalid, match="a signature of"):
        check(digest_of((bundle / MANIFEST).read_bytes()), read_signatures(bundle), [key.public])


def test_a_signature_for_another_purpose_is_none(key: SigningKey) -> None:
    with pytest.raises(SignatureInvalid, match="for another purpose"):
        check(OTHER, with_field(sealed(key, OTHER), payloadType="application/x-other"), [key.public])


def test_a_truncated_envelope_is_none(key: SigningKey) -> None:
    with pytest.raises(SignatureInvalid, match="not an envelope"):
        check(OTHER, one(sealed(key, OTHER)[:-20]), [key.public])


@pytest.mark.parametrize("sig", ["", "AAAA", "not base64", "A" * 88, "é"])
def test_a_signature_that_is_none_is_refused(key: SigningKey, sig: str) -> None:
    damaged = with_field(sealed(key, OTHER), signatures=[{"keyid": key_id(key.public), "sig": sig}])
    with pytest.raises(SignatureInvalid):
        check(OTHER, damaged, [key.public])


def test_a_huge_envelope_is_not_loaded(registry: RealRegistry, bundle: Path, key: SigningKey) -> None:
    uri = registry.uri("huge")
    digest = Client().push(bundle, uri)
    Client().attach(uri, digest, sealed(key, digest) + b" " * ENVELOPE_LIMIT)
    found = Client().signatures(uri, digest)
    assert not found.envelopes
    with pytest.raises(SignatureInvalid, match=f"larger than {ENVELOPE_LIMIT}"):
        check(digest, found, [key.public])


def test_rubbish_beside_a_signature_does_not_hide_it(listing: SmallRegistry, bundle: Path, key: SigningKey) -> None:
    digest = Client().push(bundle, listing.uri())
    Client().attach(listing.uri(), digest, b"rubbish")
    Client().attach(listing.uri(), digest, sealed(key, digest))
    listing.blobs.pop(digest_of(b"rubbish"))
    assert check(digest, Client().signatures(listing.uri(), digest), [key.public]) == key.public


def test_other_bytes_than_the_signatures_digest_names_are_damage(
    listing: SmallRegistry, bundle: Path, key: SigningKey
) -> None:
    digest = Client().push(bundle, listing.uri())
    Client().attach(listing.uri(), digest, envelope := sealed(key, digest))
    listing.blobs[digest_of(envelope)] = b" " + envelope[1:]
    with pytest.raises(SignatureInvalid, match="its bytes are other ones"):
        check(digest, Client().signatures(listing.uri(), digest), [key.public])


def test_a_thousand_signatures_keep_nobody_busy(listing: SmallRegistry, bundle: Path) -> None:
    digest = Client().push(bundle, listing.uri())
    Client().attach(listing.uri(), digest, b"rubbish")
    manifest = listing.manifests[str(listing.referrers(digest)[0]["digest"])]
    for copy in (manifest + b" " * number for number in range(1000)):
        listing.manifests[digest_of(copy)] = copy
    assert len(Client().signatures(listing.uri(), digest).envelopes) == MOST


def test_a_list_of_referrers_that_is_none_is_named(registry: RealRegistry, bundle: Path, tmp_path: Path) -> None:
    uri = registry.uri("odd")
    digest = Client().push(bundle, uri)
    Client().push(bundle, uri, tags=[digest.replace(":", "-")])  # a manifest where the index belongs
    assert Client().signatures(uri, digest) == Signatures()


def test_a_folder_that_changed_since_it_was_signed_is_not_pushed(
    registry: RealRegistry, bundle: Path, key: SigningKey
) -> None:
    (bundle / SIGNATURES).write_bytes(sealed(key, OTHER))
    with pytest.raises(ArtifactInvalid, match=r"signatures\.json: a signature of .*; sign it anew"):
        Client().push(bundle, registry.uri("changed"))
    assert Client().resolve(registry.uri("changed"), "latest") is None


def test_signatures_of_a_folder_count_from_a_volume(bundle: Path, key: SigningKey) -> None:
    digest = sign_folder(bundle, key)
    assert check(digest, Client().signatures(bundle.as_uri(), digest), [key.public]) == key.public


def test_signatures_are_no_part_of_the_artifact(bundle: Path, key: SigningKey) -> None:
    before = digest_of((bundle / MANIFEST).read_bytes())
    assert sign_folder(bundle, key) == before


def test_what_was_found_in_several_places_is_kept_in_one_file(
    tmp_path: Path, key: SigningKey, strangers: SigningKey
) -> None:
    keep(tmp_path, OTHER, Signatures((sealed(key, OTHER), b"rubbish", sealed(strangers, OTHER))))
    for each in (key, strangers):
        assert check(OTHER, read_signatures(tmp_path), [each.public]) == each.public


def test_a_data_set_is_signed_like_a_bundle(tmp_path: Path, key: SigningKey) -> None:
    import numpy as np  # noqa: PLC0415 (for this test alone)

    digest = write_dataset(tmp_path / "d", "d", np.zeros((2, 1), np.float32), np.zeros(2, np.int64))
    sign_folder(tmp_path / "d", key)
    assert check(digest, read_signatures(tmp_path / "d"), [key.public]) == key.public


def test_any_tool_that_knows_dsse_can_check_it(key: SigningKey) -> None:
    envelope = json.loads(sealed(key, OTHER))
    payload = base64.b64decode(envelope["payload"])
    assert json.loads(payload)["subject"] == [{"digest": {"sha256": "1" * 64}}]
    signed = b"DSSEv1 28 application/vnd.in-toto+json " + str(len(payload)).encode() + b" " + payload
    public = load_der_public_key(base64.b64decode(key.public))
    public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)  # type: ignore[union-attr, call-arg]  # Ed25519


def test_a_private_key_is_for_its_owner_alone(key: SigningKey, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "plant.key").stat().st_mode) == 0o600
    assert read_trusted_keys(tmp_path / "plant.key.pub") == (key.public,)
    assert read_signing_key(tmp_path / "plant.key").public == key.public


@pytest.mark.parametrize("there", ["plant.key", "plant.key.pub"])
def test_a_key_is_never_written_over(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(SettingsInvalid, match="is there already"):
        create_key(tmp_path / "plant.key")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_a_signing_key_tells_nothing_of_itself(key: SigningKey, tmp_path: Path) -> None:
    secret = (tmp_path / "plant.key").read_text().splitlines()[1]
    assert secret not in repr(key)


def other_keys() -> dict[str, bytes]:
    curve = ec.generate_private_key(ec.SECP256R1())
    locked = BestAvailableEncryption(b"word")
    return {
        "of another kind": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "with a password": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked),
        "no key": b"hello",
    }


@pytest.mark.parametrize("kind", other_keys())
def test_a_key_that_cannot_sign_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "k").write_bytes(other_keys()[kind])
    with pytest.raises(SettingsInvalid, match="want an Ed25519 private key in PEM without a password"):
        read_signing_key(tmp_path / "k")


def test_a_private_key_is_no_trusted_key(key: SigningKey, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="got a private one"):
        read_trusted_keys(tmp_path / "plant.key")


def test_several_keys_fit_into_one_file(key: SigningKey, strangers: SigningKey, tmp_path: Path) -> None:
    texts = [(tmp_path / f"{name}.key.pub").read_text() for name in ("plant", "stranger")]
    (tmp_path / "both.pub").write_text("\n".join(texts))
    assert read_trusted_keys(tmp_path / "both.pub") == (key.public, strangers.public)


def test_a_key_made_by_other_tools_will_do(tmp_path: Path) -> None:
    """The key pair of RFC 8410, sections 10.1 and 10.3."""
    line = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
    (tmp_path / "k").write_text(f"-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n")
    assert read_signing_key(tmp_path / "k").public == "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
