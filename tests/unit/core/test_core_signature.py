"""The envelope that carries signatures, and public keys as text."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.signature import (
    MAX_KEYS,
    Signature,
    SignatureError,
    decode,
    key_id,
    parse_envelope,
    parse_public_keys,
    render_statement,
    seal,
    short_id,
    signed_bytes,
)

DIGEST = "sha256:" + "a" * 64
KEY = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
"""The public key of RFC 8410, section 10.1."""
PEM = f"-----BEGIN PUBLIC KEY-----\n{KEY}\n-----END PUBLIC KEY-----\n"
ENVELOPE = seal(DIGEST, (Signature(keyid="k", sig=base64.b64encode(bytes(64)).decode()),)).dump().encode()


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(ENVELOPE) | fields).encode()


def test_an_envelope_comes_back() -> None:
    assert parse_envelope(ENVELOPE, DIGEST).dump().encode() == ENVELOPE


def test_what_is_signed_is_the_statement_and_its_type() -> None:
    statement = render_statement(DIGEST)
    expected = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(statement), statement)
    assert signed_bytes(DIGEST) == expected


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not an envelope"),
        (b"[]", "not an envelope"),
        (b'{"payloadType": 1}', "not an envelope: payloadType"),
        (ENVELOPE[:-1], "not an envelope"),
        (b"[" * 60_000, "not an envelope"),
        (b" " * 65_537, "larger than 65536 bytes"),
        (changed(signatures=[]), "signatures"),
        (changed(signatures=[{"sig": ""}] * 17), "signatures"),
        (changed(payload="%%"), "payload: want base64"),
        (changed(payload=base64.b64encode(b"hello").decode()), "a signature of something else"),
        (changed(payloadType="text/plain"), "for another purpose"),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        parse_envelope(data, DIGEST)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_stumble(data: bytes) -> None:
    with pytest.raises(SignatureError):
        parse_envelope(data, DIGEST)


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers()),
    st.sampled_from(["payloadType", "payload", "signatures"]),
)
def test_no_value_makes_the_parser_stumble(value: object, field: str) -> None:
    with pytest.raises(SignatureError):
        parse_envelope(changed(**{field: value}), DIGEST)


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 255))
def test_an_envelope_with_another_byte_says_the_same_or_is_refused(position: int, byte: int) -> None:
    damaged = ENVELOPE[:position] + bytes([byte]) + ENVELOPE[position + 1 :]
    try:
        envelope = parse_envelope(damaged, DIGEST)
    except SignatureError:
        return
    assert base64.b64decode(envelope.payload) == render_statement(DIGEST)


@given(st.text(max_size=128))
def test_a_signature_is_64_bytes_or_none(sig: str) -> None:
    assert len(decode(Signature(sig=sig)) or bytes(64)) == 64


def test_a_keys_name_in_a_message_moves_no_cursor() -> None:
    assert short_id("\x1b[2Jab\n") == "??2Jab?"


def test_keys_are_read_from_pem() -> None:
    assert parse_public_keys(PEM + "a comment\n" + PEM) == (KEY, KEY)
    assert len(key_id(KEY)) == 64


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "want 1 to 8 public keys"),
        (PEM * (MAX_KEYS + 1), "got 9"),
        (PEM.replace("PUBLIC", "PRIVATE"), "got a private one"),
        (PEM.replace("MCow", "MFkw"), "want Ed25519 public keys"),
        (PEM.replace("PUBLIC KEY", "CERTIFICATE"), "want Ed25519 public keys"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        parse_public_keys(text)
