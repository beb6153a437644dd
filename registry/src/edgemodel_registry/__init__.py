"""Artifacts in OCI registries and folders: push, and resumable, digest-checked pull."""

from edgemodel_registry.client import Client, Progress
from edgemodel_registry.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    DigestMismatch,
    Refused,
    RegistryError,
    SettingsInvalid,
    TooLarge,
    Unauthorised,
    Unreachable,
)
from edgemodel_registry.folder import write_bundle, write_dataset, write_manifest, write_samples

__all__ = [
    "ArtifactInvalid",
    "ArtifactMissing",
    "Client",
    "DigestMismatch",
    "Progress",
    "Refused",
    "RegistryError",
    "SettingsInvalid",
    "TooLarge",
    "Unauthorised",
    "Unreachable",
    "write_bundle",
    "write_dataset",
    "write_manifest",
    "write_samples",
]
