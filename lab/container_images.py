"""The project's container images: which there are, and getting them into a lab's registry."""

from __future__ import annotations

import hashlib
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.progress import Progress

BASE = "localhost/debian:trixie-slim"
SHARED_INPUTS = ("core", "registry", "requirements")
IGNORED = {"__pycache__", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build", "dist"}
MANIFEST_TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True)
class Image:
    """An image of the project: its name in the registry, and the folder with its Dockerfile."""

    name: str
    folder: str

    def inputs(self, repository: Path) -> Iterator[Path]:
        """Files that decide the image, in a fixed order."""
        for top in sorted({self.folder, *SHARED_INPUTS}):
            for path in sorted((repository / top).rglob("*")):
                relative = path.relative_to(repository)
                ignored = IGNORED.intersection(relative.parts) or any(p.endswith(".egg-info") for p in relative.parts)
                if path.is_file() and not ignored:
                    yield path

    def tag(self, repository: Path) -> str:
        """Changes when, and only when, an input does."""
        digest = hashlib.sha256(BASE.encode())
        for path in self.inputs(repository):
            name, content = str(path.relative_to(repository)).encode(), path.read_bytes()
            executable = os.access(path, os.X_OK)
            digest.update(b"%d %s %d %d\n" % (len(name), name, executable, len(content)))
            digest.update(content)
        return digest.hexdigest()[:16]


IMAGES = {
    "operator": Image("edgemodel-operator", "operator"),
    "inference": Image("edgemodel-inference", "inference_pod"),
    "distill": Image("edgemodel-distill", "distill_job"),
}


class Builder(Protocol):
    """What turns a Dockerfile into an image."""

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """Build one image and keep it under its reference. Raises LabError that quotes the end of the build's log."""
        ...

    def push(self, reference: str) -> None:
        """Push one image that was built to the lab's registry."""
        ...


@dataclass(frozen=True)
class Registry:
    """The lab's registry: its host:port, and the authority that signed its certificate."""

    address: str
    authority: Path

    def answers(self) -> bool:
        """Whether it can be reached from here."""
        try:
            return self._ask("/v2/") == HTTPStatus.OK
        except OSError:
            return False

    def has(self, name: str, tag: str) -> bool:
        """Whether this image is there. Raises LabError where the registry does not answer, or oddly."""
        try:
            status = self._ask(f"/v2/{name}/manifests/{tag}")
        except OSError as error:
            raise LabError(
                f"the registry at {self.address} does not answer ({error}): run `python -m lab up`"
            ) from error
        if status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
            raise LabError(f"the registry at {self.address} answered {status} when asked for {name}:{tag}")
        return status == HTTPStatus.OK

    def _ask(self, path: str) -> int:
        url = f"https://{self.address}{path}"
        request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFEST_TYPES})
        context = ssl.create_default_context(cafile=str(self.authority))
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@dataclass(frozen=True)
class Publisher:
    """Builds and pushes what a registry does not have yet."""

    home: Home
    registry: Registry
    builder: Builder
    progress: Progress

    def ensure(self, names: Sequence[str], repository: Path = REPOSITORY) -> dict[str, str]:
        """Build and push the images named (all, if none) whose inputs changed; their references by name.

        Raises LabError for an unknown name, a missing Dockerfile, or a build that fails.
        """
        wanted = chosen(names)
        with self.home.locked(self.progress.say, "images"):
            return {name: self._ensure(image, repository) for name, image in wanted.items()}

    def _ensure(self, image: Image, repository: Path) -> str:
        dockerfile = repository / image.folder / "Dockerfile"
        if not dockerfile.exists():
            raise LabError(f"{dockerfile} is missing")
        tag = image.tag(repository)
        reference = f"{self.registry.address}/{image.name}:{tag}"
        if self.registry.has(image.name, tag):
            self.progress.say(f"{reference} is there already")
            return reference
        with self.progress.step(f"building {reference}"):
            self.builder.build(dockerfile, repository, reference)
        with self.progress.step(f"pushing {reference}"):
            self.builder.push(reference)
        return reference


def chosen(names: Sequence[str]) -> dict[str, Image]:
    """The images of these names; all, if none is named. Raises LabError for an unknown name."""
    if unknown := set(names) - IMAGES.keys():
        raise LabError(f"no image {', '.join(sorted(unknown))}: choose among {', '.join(IMAGES)}")
    return {name: image for name, image in IMAGES.items() if not names or name in names}


def short_name(reference: str) -> str:
    """`edgemodel-operator` of `10.89.0.1:5000/edgemodel-operator:TAG`."""
    return reference.rpartition("/")[2].partition(":")[0]
