"""Logins from a docker configuration file, the content of a `kubernetes.io/dockerconfigjson` secret."""

import base64
import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from edgemodel_registry.errors import SettingsInvalid

_DOCKER_HUB = ("index.docker.io", "docker.io", "registry-1.docker.io")
"""One registry by three names: the first is what logins are written for, images name the second, the third answers."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password; the password stays out of reprs."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """What a login is for: one registry or several, or a part of one."""

    labels: tuple[str, ...]
    """The host's name at its dots; of a login each may be a pattern."""
    port: str
    path: tuple[str, ...]

    def covers(self, other: "_Place") -> bool:
        return (
            self.port == other.port
            and self.path == other.path[: len(self.path)]
            and len(self.labels) == len(other.labels)
            and all(fnmatchcase(label, pattern) for label, pattern in zip(other.labels, self.labels, strict=True))
        )


def read_login(docker_config: Path, host: str, repository: str) -> Login | None:
    """The login for `repository` at `host` (with its port), or None where the file has none.

    Keys are read as the kubelet reads them for images: ``host[:port][/path]``, in whose host each label may be a
    pattern (``*.example.com``), or such an address as a URL (``https://host/v1/``). Of several that cover the
    repository one for this very host goes before a pattern, and a longer path before a shorter one.
    https://kubernetes.io/docs/concepts/containers/images/#config-json

    Raises:
        SettingsInvalid: the file is missing or is not a docker configuration.
    """
    wanted = _place(host, repository)
    try:
        auths = json.loads(docker_config.read_bytes()).get("auths", {})
        fitting = [(place, entry) for key, entry in auths.items() if (place := _place_of(key)).covers(wanted)]
        fitting.sort(key=lambda found: (found[0].labels == wanted.labels, len(found[0].path)), reverse=True)
        logins = [_login(entry) for _, entry in fitting]
    except OSError as error:
        raise SettingsInvalid(f"{docker_config}: cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        # The parser's own text could quote a password.
        raise SettingsInvalid(f"{docker_config}: not a docker configuration file") from error
    return next((login for login in logins if login is not None), None)


def _place_of(key: str) -> _Place:
    host, _, path = key.removeprefix("https://").removeprefix("http://").partition("/")
    version, _, rest = path.partition("/")
    return _place(host.lower(), rest if version in {"v1", "v2"} else path)


def _place(host: str, path: str) -> _Place:
    name, _, port = host.partition(":")
    labels = (_DOCKER_HUB[0] if name in _DOCKER_HUB else name).split(".")
    return _Place(tuple(labels), port, tuple(part for part in path.split("/") if part))


def _login(entry: dict[str, Any]) -> Login | None:
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    if entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return Login(user, password)
    return None
