"""Ed25519 keys: making them, signing artifacts with them, and checking what strangers signed.

The one user of the cryptography package; imported only where there are keys.
"""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from edgemodel.bundle import MANIFEST, digest_of
from edgemodel.signature import (
    MAX_SIGNATURES,
    SIGNATURES,
    Envelope,
    Signature,
    SignatureError,
    decode,
    key_id,
    parse_envelope,
    parse_public_keys,
    seal,
    short_id,
    signed_bytes,
)
from edgemodel_registry.errors import SettingsInvalid, SignatureInvalid, SignatureMissing
from edgemodel_registry.signatures import Signatures, read_signatures
from edgemodel_registry.whole import write_whole

_KEY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, which stays out of reprs, and its public half as `edgemodel.signature.PublicKey`."""

    public: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, digest: str) -> Envelope:
        """An envelope with this key's signature alone."""
        signature = base64.b64encode(self._private.sign(signed_bytes(digest))).decode()
        return seal(digest, (Signature(keyid=key_id(self.public), sig=signature),))


def create_key(path: Path) -> SigningKey:
    """Write a new private key to `path`, for its owner's eyes only, and the public one beside it as ``path.pub``.

    Raises:
        SettingsInvalid: one of the files is there already.
    """
    public = path.with_name(path.name + ".pub")
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for file in (path, public):
        if file.exists():
            raise SettingsInvalid(f"{file}: is there already, and is not written over: it may be in use")
    _write_new(path, pem, 0o600)
    _write_new(public, shown, 0o644)
    return SigningKey(_text_of(private.public_key()), private)


def read_signing_key(path: Path) -> SigningKey:
    """The private key at `path`.

    Raises:
        SettingsInvalid: there is none that can be used.
    """
    wanted = "want an Ed25519 private key in PEM without a password, as edgemodel key create makes one"
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsInvalid(f"{path}: {wanted}") from None  # the cause may quote the file
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsInvalid(f"{path}: {wanted}")
    return SigningKey(_text_of(key.public_key()), key)


def read_trusted_keys(path: Path) -> tuple[str, ...]:
    """The public keys at `path`, PEM, as `edgemodel.signature.PublicKey`.

    Raises:
        SettingsInvalid: says what is wanted.
    """
    try:
        return parse_public_keys(_read(path).decode())
    except ValueError as error:
        told = error if isinstance(error, SignatureError) else "want public keys in PEM"
        raise SettingsInvalid(f"{path}: {told}") from error


def sign_folder(folder: Path, key: SigningKey) -> str:
    """Sign the artifact in `folder`, beside what others signed of it, and return its digest.

    Raises:
        OSError: there is no manifest, or the file of signatures cannot be written.
    """
    digest = digest_of((folder / MANIFEST).read_bytes())
    found = read_signatures(folder)
    own = key.sign(digest).dump().encode()
    keep(folder, digest, Signatures((own, *found.envelopes)))
    return digest


def keep(folder: Path, digest: str, found: Signatures) -> None:
    """Write what was found and is for `digest` beside the manifest in `folder`, in one envelope; nothing for nothing.

    Raises:
        OSError: the file cannot be written.
    """
    envelopes = [envelope for envelope, _ in _readable(digest, found) if envelope is not None]
    signatures = dict.fromkeys(signature for envelope in envelopes for signature in envelope.signatures)
    if signatures:
        write_whole(folder / SIGNATURES, seal(digest, tuple(signatures)[:MAX_SIGNATURES]).dump().encode())


def signers(digest: str, found: Signatures) -> tuple[str, ...]:
    """The names that keys gave themselves in the signatures found; nothing is checked."""
    envelopes = [envelope for envelope, _ in _readable(digest, found) if envelope is not None]
    return tuple(dict.fromkeys(short_id(s.keyid) for envelope in envelopes for s in envelope.signatures))


def check(digest: str, found: Signatures, keys: Sequence[str]) -> str:
    """Return that of the trusted `keys` which signed the artifact with this manifest digest.

    Raises:
        SignatureMissing: nobody signed it.
        SignatureInvalid: nobody of them did: says what was found instead.
    """
    problems = list(found.problems)
    trusted = {key_id(key): key for key in keys}
    for envelope, problem in _readable(digest, found):
        if envelope is None:
            problems.append(problem)
            continue
        for signature in envelope.signatures:
            key = trusted.get(signature.keyid)
            if key is None:
                problems.append(f"signed by the key {short_id(signature.keyid)}, which is not trusted")
            elif _is_by(key, signature, digest):
                return key
            else:
                problems.append(f"the signature by the key {short_id(signature.keyid)} is not its own, or damaged")
    if not problems:
        raise SignatureMissing(f"{digest}: nobody signed it")
    raise SignatureInvalid(f"{digest}: {'; '.join(list(dict.fromkeys(problems))[:3])}")


def _readable(digest: str, found: Signatures) -> list[tuple[Envelope | None, str]]:
    """Each envelope, or what is wrong with it."""
    read: list[tuple[Envelope | None, str]] = []
    for data in found.envelopes:
        try:
            read.append((parse_envelope(data, digest), ""))
        except SignatureError as error:
            read.append((None, str(error)))
    return read


def _is_by(key: str, signature: Signature, digest: str) -> bool:
    data, public = decode(signature), load_der_public_key(base64.b64decode(key))
    if data is None or not isinstance(public, Ed25519PublicKey):
        return False
    try:
        public.verify(data, signed_bytes(digest))
    except InvalidSignature:
        return False
    return True


def _text_of(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_LIMIT)
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
