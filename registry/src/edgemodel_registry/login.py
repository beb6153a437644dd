"""Logins from a docker configuration file, the content of a `kubernetes.io/dockerconfigjson` secret."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemodel_registry.errors import SettingsInvalid


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password; the password stays out of reprs."""

    user: str
    password: str = field(repr=False)


def read_login(docker_config: Path, host: str) -> Login | None:
    """The login for `host` (with its port), or None where the file has none.

    Keys may be bare hosts or, as older tools write them, URLs (``https://host/v1/``).

    Raises:
        SettingsInvalid: the file is missing or is not a docker configuration.
    """
    try:
        document = json.loads(docker_config.read_bytes())
        for key, entry in document.get("auths", {}).items():
            if key.removeprefix("https://").removeprefix("http://").partition("/")[0] == host:
                return _login(entry)
    except OSError as error:
        raise SettingsInvalid(f"{docker_config}: cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        # The parser's own text could quote a password.
        raise SettingsInvalid(f"{docker_config}: not a docker configuration file") from error
    return None


def _login(entry: dict[str, Any]) -> Login | None:
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    if entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        return Login(user, password)
    return None
