"""Signatures of artifacts: what is signed, and the envelope that carries it; keys: `edgemodel_registry.signing`.

A signature is by an Ed25519 key over a statement that names the digest of the artifact's manifest, and through it
every byte of the artifact. Statement and envelope are those of the supply chain's other tools: an in-toto Statement
(https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) in a DSSE envelope
(https://github.com/secure-systems-lab/dsse/blob/master/envelope.md). For one digest there is one statement, byte for
byte: who checks a signature renders it and reads nothing out of what strangers wrote.
"""

import base64
import binascii
import hashlib
import json
import re
from typing import Annotated

from pydantic import Field, ValidationError

from edgemodel.document import Document, describe

SIGNATURES = "signatures.json"
"""The envelope's file beside ``manifest.json``, where an artifact is a folder; no part of the artifact."""

TYPE_SIGNATURE = "application/vnd.edgemodel.signature.v1"
TYPE_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
TYPE_STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://edgemodel.dev/signature/v1"
"""Tells this statement from those that the same key may have signed for other tools."""

KEY_PATTERN = r"^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"
"""A DER SubjectPublicKeyInfo of Ed25519 in base64: its first 12 bytes are always the same (RFC 8410)."""

MAX_KEYS = 8
MAX_SIGNATURES = 16
ENVELOPE_LIMIT = 64 * 1024
"""Bytes of an envelope; one signature takes a quarter of a kilobyte."""

PublicKey = Annotated[str, Field(pattern=KEY_PATTERN, max_length=60)]
"""One line, as `edgemodel key create` prints it: what stands between the first and the last line of a PEM file."""

TrustedKeys = Annotated[tuple[PublicKey, ...], Field(min_length=1, max_length=MAX_KEYS)]
"""Keys of which one must have signed."""

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)
_SUBJECT = re.compile(rb'"sha256": ?"([0-9a-f]{64})"')
_SIGNATURE_BYTES = 64


class SignatureError(ValueError):
    """An envelope or a file of public keys that is none."""


class Signature(Document):
    """One key's signature; `keyid` is a hint and proves nothing."""

    keyid: Annotated[str, Field(max_length=128)] = ""
    sig: Annotated[str, Field(max_length=128)]


class Envelope(Document):
    """A DSSE envelope; `payload` in base64."""

    payload_type: Annotated[str, Field(max_length=128)]
    payload: Annotated[str, Field(max_length=8192)]
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=MAX_SIGNATURES)]


def render_statement(digest: str) -> bytes:
    """The statement that is signed for the artifact with this manifest digest; equal digests, equal bytes."""
    subject = {"digest": {"sha256": digest.removeprefix("sha256:")}}
    statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": PREDICATE, "subject": [subject]}
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def signed_bytes(digest: str) -> bytes:
    """What a key signs for this digest: DSSE's pre-authentication encoding of the statement."""
    kind, payload = TYPE_STATEMENT.encode(), render_statement(digest)
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: str) -> str:
    """The name of a public key: the sha256 of its DER form, in hexadecimal digits."""
    return hashlib.sha256(base64.b64decode(key)).hexdigest()


def short_id(keyid: str) -> str:
    """Enough of a key's name for a line of text, without what could not be one."""
    return re.sub(r"[^0-9A-Za-z+/=:._-]", "?", keyid)[:12] or "without a name"


def seal(digest: str, signatures: tuple[Signature, ...]) -> Envelope:
    """The envelope for this digest."""
    payload = base64.b64encode(render_statement(digest)).decode()
    return Envelope(payload_type=TYPE_STATEMENT, payload=payload, signatures=signatures)


def parse_envelope(data: bytes, digest: str) -> Envelope:
    """Read the envelope of the artifact with this manifest digest; its signatures are not checked.

    Raises:
        SignatureError: names what is wrong, or the digest that it is for.
    """
    if len(data) > ENVELOPE_LIMIT:
        raise SignatureError(f"larger than {ENVELOPE_LIMIT} bytes")
    try:
        envelope = Envelope.model_validate_json(data)
        payload = base64.b64decode(envelope.payload, validate=True)
    except ValidationError as error:
        raise SignatureError(f"not an envelope: {describe(error).splitlines()[0]:.200}") from error
    except (binascii.Error, ValueError) as error:
        raise SignatureError("not an envelope: payload: want base64") from error
    if (envelope.payload_type, payload) != (TYPE_STATEMENT, render_statement(digest)):
        other = _SUBJECT.search(payload)
        named = f"sha256:{other[1].decode()}" if other is not None else "something else"
        raise SignatureError(f"a signature of {named}, not of {digest}" if named != digest else "for another purpose")
    return envelope


def decode(signature: Signature) -> bytes | None:
    """The signature's bytes; None where they cannot be one of Ed25519."""
    try:
        data = base64.b64decode(signature.sig, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == _SIGNATURE_BYTES else None


def parse_public_keys(text: str) -> tuple[str, ...]:
    """The keys of a PEM file, one block each, as `PublicKey`.

    Raises:
        SignatureError: says what is wanted.
    """
    keys: list[str] = []
    for kind, body in _PEM.findall(text):
        if "PRIVATE" in kind:
            raise SignatureError("want public keys, got a private one, which has no business here")
        key = "".join(body.split())
        if kind != "PUBLIC KEY" or not re.fullmatch(KEY_PATTERN, key):
            raise SignatureError("want Ed25519 public keys, as edgemodel key create writes them")
        keys.append(key)
    if not 1 <= len(keys) <= MAX_KEYS:
        raise SignatureError(f"want 1 to {MAX_KEYS} public keys in PEM, got {len(keys)}")
    return tuple(keys)
