"""What commands say about an artifact's signatures, and how they make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemodel.signature import SIGNATURES, key_id, short_id
from edgemodel_cli.errors import NotVerified
from edgemodel_cli.options import stderr
from edgemodel_registry import Client, SignatureInvalid, SignatureMissing, Signatures


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signed an artifact, as the signatures say; `trusted`: of which key it is proved, `problem`: why of none."""

    names: tuple[str, ...] = ()
    trusted: str | None = None
    problem: str | None = None

    @property
    def text(self) -> str:
        """For people, on one line."""
        if self.trusted is not None:
            return f"{self.trusted} (trusted)"
        return self.problem or f"{', '.join(self.names)} (not checked: see --trusted-key)"


def read_keys(files: Sequence[Path] | None) -> tuple[str, ...]:
    """The public keys in `files`."""
    from edgemodel_registry.signing import read_trusted_keys  # noqa: PLC0415 - cryptography

    return tuple(key for file in files or () for key in read_trusted_keys(file))


def judge(digest: str, found: Signatures, keys: Sequence[str]) -> Signers:
    """Who signed the artifact with this digest, and whether one of `keys` did."""
    from edgemodel_registry.signing import check, signers  # noqa: PLC0415 - cryptography

    names = signers(digest, found)
    if names and not keys:
        return Signers(names)
    try:
        return Signers(names, trusted=short_id(key_id(check(digest, found, keys))))
    except (SignatureMissing, SignatureInvalid) as error:
        return Signers(names, problem=str(error).removeprefix(f"{digest}: "))


def need_trusted(digest: str, found: Signatures, keys: Sequence[str]) -> str:
    """The name of the trusted key that signed; raises NotVerified where none did."""
    signers = judge(digest, found, keys)
    if signers.trusted is None:
        raise NotVerified(f"{digest}: {signers.problem}")
    return signers.trusted


def sign_folder(folder: Path, key: Path) -> None:
    """Sign the artifact in `folder`."""
    from edgemodel_registry import signing  # noqa: PLC0415 - cryptography

    signing_key = signing.read_signing_key(key)
    signing.sign_folder(folder, signing_key)
    _tell(signing_key.public, f"{folder / SIGNATURES}")


def sign_pushed(client: Client, uri: str, digest: str, key: Path) -> None:
    """Sign the artifact with this digest where it lies, in a registry."""
    from edgemodel_registry import signing  # noqa: PLC0415 - cryptography

    signing_key = signing.read_signing_key(key)
    client.attach(uri, digest, signing_key.sign(digest).dump().encode())
    _tell(signing_key.public, uri)


def keep_beside(folder: Path, digest: str, found: Signatures) -> None:
    """Write the signatures that were found beside the manifest of a pulled artifact."""
    from edgemodel_registry import signing  # noqa: PLC0415 - cryptography

    signing.keep(folder, digest, found)


def _tell(public: str, where: str) -> None:
    stderr.print(f"signed by key {short_id(key_id(public))}: {where}", soft_wrap=True)
