"""Where a bundle that is named by hand comes from. Standard library only: the supervisor checks it too."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_PINNED = re.compile(r"(?P<uri>(?:oci|https)://[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on this machine, and whatever bundle lies in it now."""

    path: Path


@dataclass(frozen=True, slots=True)
class Pinned:
    """An address, and the digest of what must lie there."""

    uri: str
    digest: str


Origin = Folder | Pinned


def parse_origin(text: str) -> Origin:
    """Read a folder's path, ``file://…``, or ``oci://…`` or ``https://…`` with ``@sha256:…`` at its end.

    Raises:
        ValueError: says what is wanted.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        if not text.strip():
            raise ValueError("want a bundle's folder or address")
        return Folder(Path(text).absolute())
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc or not parts.path.strip("/"):
            raise ValueError("want file:///folder, with three slashes")
        return Folder(Path(unquote(parts.path)))
    match = _PINNED.fullmatch(text)
    if match is None:
        raise ValueError(
            "want a folder, file:///folder, or oci://host/repository or https://host/folder, "
            "with @sha256:<64 hex digits> after it (a tag may move)"
        )
    return Pinned(match["uri"], match["digest"])
