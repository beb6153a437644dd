"""Everything that this package raises on purpose.

RegistryError
├── SettingsInvalid    what the caller gave: address, CA file, login file
├── ArtifactMissing    the registry or folder has no such manifest or file
├── ArtifactInvalid    a manifest, card or array that cannot be trusted, or a folder that does not match its manifest
├── DigestMismatch     the bytes are not those that the digest names
├── TooLarge           the artifact is larger than the caller allows; nothing was downloaded
├── SignatureMissing   nobody signed the artifact, and only signed ones are trusted
├── SignatureInvalid   signatures are there, and none is a trusted key's
├── Unauthorised       the registry wants a login, or this login may not do that
├── Refused            the registry understood and said no (read-only, quota, policy)
└── Unreachable        broken connections, timeouts, 429 and 5xx: worth another try later
    ├── NameUnresolved         its name has no address here
    ├── ConnectionRefused      nobody listens there
    └── CertificateUntrusted   its TLS certificate is of another authority, for another name, or out of date

Trouble with the local disk stays an `OSError`.
"""

from typing import ClassVar


class RegistryError(Exception):
    """Base of this package's errors; `retryable` says whether the same call may succeed later by itself."""

    retryable: ClassVar[bool] = False


class SettingsInvalid(RegistryError):
    """An address, a CA file or a login file that cannot be used."""


class ArtifactMissing(RegistryError):
    """The registry or folder has no such manifest or file."""


class ArtifactInvalid(RegistryError):
    """A manifest, card or array that cannot be trusted, or a folder that does not match its manifest."""


class DigestMismatch(RegistryError):
    """The bytes are not those that the digest names."""


class TooLarge(RegistryError):
    """The artifact is larger than the caller allows."""


class SignatureMissing(RegistryError):
    """Nobody signed the artifact."""


class SignatureInvalid(RegistryError):
    """None of the artifact's signatures is a trusted key's."""


class Unauthorised(RegistryError):
    """The registry wants a login, or this login may not do that."""


class Refused(RegistryError):
    """The registry understood the request and said no."""


class Unreachable(RegistryError):
    """No answer, a broken one, or one that says: later."""

    retryable = True


class NameUnresolved(Unreachable):
    """The server's name has no address on this machine."""


class ConnectionRefused(Unreachable):
    """Nobody listens at the server's port."""


class CertificateUntrusted(Unreachable):
    """The server's TLS certificate is of another authority, for another name, or out of date."""
