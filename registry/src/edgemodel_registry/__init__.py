"""Artifacts in OCI registries and folders: push, and resumable, digest-checked pull."""

from typing import TYPE_CHECKING, Any

from edgemodel_registry.download import Progress
from edgemodel_registry.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    CertificateUntrusted,
    ConnectionRefused,
    DigestMismatch,
    NameUnresolved,
    Refused,
    RegistryError,
    SettingsInvalid,
    SignatureInvalid,
    SignatureMissing,
    TooLarge,
    Unauthorised,
    Unreachable,
)
from edgemodel_registry.folder import write_bundle, write_dataset, write_manifest, write_samples
from edgemodel_registry.signatures import Signatures

if TYPE_CHECKING:
    from edgemodel_registry.client import Client

__all__ = [
    "ArtifactInvalid",
    "ArtifactMissing",
    "CertificateUntrusted",
    "Client",
    "ConnectionRefused",
    "DigestMismatch",
    "NameUnresolved",
    "Progress",
    "Refused",
    "RegistryError",
    "SettingsInvalid",
    "SignatureInvalid",
    "SignatureMissing",
    "Signatures",
    "TooLarge",
    "Unauthorised",
    "Unreachable",
    "write_bundle",
    "write_dataset",
    "write_manifest",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    """The client is imported when it is first used: a pod whose artifacts are all on its disk needs no HTTP library."""
    if name == "Client":
        from edgemodel_registry.client import Client  # noqa: PLC0415 (see above)

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
