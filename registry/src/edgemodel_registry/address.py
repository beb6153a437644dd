"""Where an artifact lies, parsed once (pure)."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from edgemodel_registry.errors import SettingsInvalid

Scheme = Literal["oci", "https", "file"]

_HOST = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$")
_REPOSITORY = re.compile(r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$")
"""A repository's name: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests."""

_TAG = re.compile(r"^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$")


@dataclass(frozen=True, slots=True)
class Address:
    """`host` with its port (empty for file), and `path`: repository, URL path or folder, without slash at the end."""

    scheme: Scheme
    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}/{self.path.lstrip('/')}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this very machine: only there may a registry do without TLS, as with docker."""
        return is_loopback(self.host.partition(":")[0])


def parse_address(uri: str) -> Address:
    """Read ``oci://host[:port]/repository``, ``https://host[:port]/folder`` or ``file:///folder``.

    Raises:
        SettingsInvalid: says what was expected.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise SettingsInvalid(f"{uri!r:.200}: not an address: {error}") from error
    path = parts.path.strip("/")
    if parts.query or parts.fragment:
        raise SettingsInvalid(f"{uri!r:.200}: an address has no query and no fragment")
    match parts.scheme:
        case "oci" if _HOST.match(parts.netloc) and _REPOSITORY.match(path):
            return Address("oci", parts.netloc.lower(), path)
        case "https" if _HOST.match(parts.netloc):
            return Address("https", parts.netloc.lower(), path)
        case "file" if not parts.netloc and path:
            return Address("file", "", "/" + unquote(path))
    raise SettingsInvalid(
        f"{uri!r:.200}: want oci://host[:port]/repository (lower case, no tag, no digest), "
        "https://host[:port]/folder or file:///folder"
    )


def check_tag(tag: str) -> str:
    """Return `tag`.

    Raises:
        SettingsInvalid: it is not a tag by the OCI distribution specification.
    """
    if not _TAG.match(tag):
        raise SettingsInvalid(f"{tag!r:.200}: want a tag of letters, digits, '.', '_' and '-', at most 128 characters")
    return tag


def is_loopback(host: str) -> bool:
    """Whether `host`, without port, is this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
