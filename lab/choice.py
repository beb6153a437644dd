"""Whether this machine runs the lab by kind, or builds it from source."""

from __future__ import annotations

import functools
import os

from lab import docker, shell
from lab.errors import LabError
from lab.home import Home

COMMANDS = ("docker", "kind", "kubectl", "helm", "openssl")


@functools.cache
def kind(home: Home) -> bool:
    """Whether kind runs the lab: where LAB_DRIVER says so, and without it where all that kind needs is present.

    Raises LabError for another word in LAB_DRIVER, and where it asks for kind and something is missing.
    """
    wish = os.environ.get("LAB_DRIVER", "")
    if wish not in {"", "kind", "self-built"}:
        raise LabError(f"LAB_DRIVER: want kind or self-built, got {wish!r}")
    if wish == "self-built":
        return False
    lacking = missing(home)
    if wish == "kind" and lacking:
        raise LabError(f"LAB_DRIVER=kind: missing here: {', '.join(lacking)}")
    return not lacking


def missing(home: Home) -> list[str]:
    """What kind's lab needs and this machine does not have, in words."""
    lacking = [name for name in COMMANDS if not (home.bin / name).exists() and shell.find(name) is None]
    if "docker" not in lacking and (problem := docker.engine_problem()):
        lacking.append(problem)
    return lacking
