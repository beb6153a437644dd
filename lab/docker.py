"""Docker's command line: the containers of the lab, and images built with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import shell
from lab.container_images import short_name
from lab.errors import LabError
from lab.home import Home

LABEL = "edgemodel-lab"
NETWORK = "kind"


@dataclass(frozen=True)
class Container:
    """What Docker tells of one container."""

    running: bool
    address: str
    """On kind's network; empty while it is stopped, and where it shares another container's network."""
    owner: str
    """The LAB_HOME that it was made for; empty for kind's nodes."""


def engine_problem() -> str | None:
    """Why the lab cannot use the Docker engine, in words; None where it can."""
    try:
        asked = shell.run(["docker", "info", "--format", "{{json .}}"], check=False, timeout_s=20)
    except LabError as error:
        return str(error)
    if asked.returncode != 0:
        return "a Docker engine (`docker info` fails)"
    engine = json.loads(asked.stdout or "{}")
    hidden = engine.get("OperatingSystem") == "Docker Desktop" or "name=rootless" in engine.get("SecurityOptions", ())
    return "a Docker engine whose containers can be reached (not Docker Desktop, not rootless)" if hidden else None


def inspect(names: Iterable[str]) -> dict[str, Container]:
    """Those of the named containers that exist."""
    asked = shell.run(["docker", "container", "inspect", *names], check=False)
    return {each["Name"].removeprefix("/"): _container(each) for each in json.loads(asked.stdout or "[]")}


def _container(document: dict[str, Any]) -> Container:
    networks, labels = document["NetworkSettings"]["Networks"] or {}, document["Config"]["Labels"] or {}
    return Container(
        running=document["State"]["Running"],
        address=networks.get(NETWORK, {}).get("IPAddress", ""),
        owner=labels.get(LABEL, ""),
    )


def address(name: str) -> str:
    """A container's address on kind's network. Raises LabError where it has none."""
    container = inspect([name]).get(name)
    if container is None or not container.address:
        raise LabError(f"{name} does not run: run `python -m lab up`")
    return container.address


def start(home: Home, name: str, options: list[str], image_and_arguments: list[str]) -> None:
    """Start a container that reads and writes the lab's folder as the folder's owner."""
    owner = home.root.stat()
    fixed = ["--name", name, "--label", f"{LABEL}={home.root}", "--volume", f"{home.root}:{home.root}"]
    fixed += ["--user", f"{owner.st_uid}:{owner.st_gid}"]
    shell.run(["docker", "run", "--detach", *fixed, *options, *image_and_arguments])


def remove(names: Iterable[str]) -> None:
    """Remove containers with their unnamed volumes; one that is not there does not matter."""
    shell.run(["docker", "rm", "--force", "--volumes", *names], check=False)


def remove_images() -> None:
    """Remove the images that were built for a lab and that no container uses."""
    shell.run(["docker", "image", "prune", "--all", "--force", "--filter", f"label={LABEL}"])


@dataclass(frozen=True)
class Docker:
    """Builds images, and pushes them to the registry by a way that needs no setting of the engine."""

    home: Home
    door: str
    """The registry's host:port on the engine's loopback: there Docker does not ask for a certificate that it knows."""

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """Build one image into the engine's store. Raises LabError that quotes the end of the build's log."""
        command: list[str | Path] = ["docker", "build", "--label", LABEL, "--file", dockerfile, "--tag", reference]
        shell.run([*command, context], log=self.home.logs / f"image-{short_name(reference)}.log")

    def push(self, reference: str) -> None:
        """Push one image from the engine's store to the lab's registry."""
        by_door = f"{self.door}/{reference.partition('/')[2]}"
        shell.run(["docker", "tag", reference, by_door])
        shell.run(["docker", "push", "--quiet", by_door])
        shell.run(["docker", "image", "rm", by_door])
