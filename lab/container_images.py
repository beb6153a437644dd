"""Builds the project's container images with buildah and pushes them to the lab's registry."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from lab import network, packages, shell
from lab.errors import LabError
from lab.home import REPOSITORY, Home
from lab.progress import Progress

BASE = "localhost/debian:trixie-slim"
SUITE = "trixie"
SHARED_INPUTS = ("core", "registry", "requirements")
IGNORED = {"__pycache__", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build", "dist"}
HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CERTIFICATES_INSIDE = "/run/host-ca.crt"
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


def ensure(home: Home, names: Sequence[str], progress: Progress, repository: Path = REPOSITORY) -> dict[str, str]:
    """Build and push the images named (all, if none) whose inputs changed; their references by name.

    Raises LabError for an unknown name, a missing Dockerfile, or a build that fails.
    """
    packages.require_root()
    wanted = chosen(names)
    with home.locked(progress.say, "images"):
        return {name: _ensure(home, image, repository, progress) for name, image in wanted.items()}


def chosen(names: Sequence[str]) -> dict[str, Image]:
    """The images of these names; all, if none is named. Raises LabError for an unknown name."""
    if unknown := set(names) - IMAGES.keys():
        raise LabError(f"no image {', '.join(sorted(unknown))}: choose among {', '.join(IMAGES)}")
    return {name: image for name, image in IMAGES.items() if not names or name in names}


def _ensure(home: Home, image: Image, repository: Path, progress: Progress) -> str:
    dockerfile = repository / image.folder / "Dockerfile"
    if not dockerfile.exists():
        raise LabError(f"{dockerfile} is missing")
    tag = image.tag(repository)
    reference = f"{network.REGISTRY}/{image.name}:{tag}"
    if _is_pushed(home, image.name, tag):
        progress.say(f"{reference} is there already")
        return reference
    ensure_base(home, progress)
    with progress.step(f"building {reference}"):
        build(home, dockerfile, repository, reference)
    with progress.step(f"pushing {reference}"):
        push(home, reference)
    return reference


def build(home: Home, dockerfile: Path, context: Path, reference: str) -> None:
    """Build one image into buildah's store. Raises LabError that quotes the end of the build's log."""
    command = ["build", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never"]
    command += ["--build-arg", f"BASE={BASE}", "--file", str(dockerfile), "--tag", reference]
    if HOST_CERTIFICATES.exists():
        command += ["--volume", f"{HOST_CERTIFICATES}:{CERTIFICATES_INSIDE}:ro"]
        command += ["--build-arg", f"PIP_CERT={CERTIFICATES_INSIDE}"]
    name = reference.rpartition("/")[2].partition(":")[0]
    _buildah(home, *command, str(context), log=home.logs / f"image-{name}.log")


def push(home: Home, reference: str) -> None:
    """Push one image from buildah's store to the lab's registry."""
    trust = home.etc / "registry-trust"
    trust.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(home.pki / "ca.crt", trust / "ca.crt")
    _buildah(home, "push", "--quiet", "--cert-dir", str(trust), reference, f"docker://{reference}")


def ensure_base(home: Home, progress: Progress) -> None:
    """Make the base image that stands for debian:trixie-slim, once."""
    if _buildah(home, "images", "--quiet", BASE, check=False):
        return
    with progress.step(f"making the base image {BASE}"), tempfile.TemporaryDirectory(dir=home.build) as scratch:
        root = Path(scratch) / "root"
        command = ["debootstrap", "--variant=minbase", SUITE, str(root)]
        if mirror := debian_mirror():
            command.append(mirror)
        shell.run(command, log=home.logs / "debootstrap.log")
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / waste)
            (root / waste / "partial").mkdir(parents=True)
        container = _buildah(home, "from", "scratch")
        _buildah(home, "add", "--quiet", container, str(root), "/")
        _buildah(
            home,
            "config",
            "--cmd",
            "bash",
            "--env",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            container,
        )
        _buildah(home, "commit", "--quiet", "--rm", container, BASE)


def debian_mirror(apt: Path = Path("/etc/apt")) -> str | None:
    """The Debian mirror that this machine's own apt uses; None where none is configured."""
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            for word in line.split("#")[0].split():
                if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                    return word
    return None


def _is_pushed(home: Home, name: str, tag: str) -> bool:
    url = f"https://{network.REGISTRY}/v2/{name}/manifests/{tag}"
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFEST_TYPES})
    try:
        context = ssl.create_default_context(cafile=str(home.pki / "ca.crt"))
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        with urllib.request.build_opener(*handlers).open(request, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return False
        raise LabError(f"the registry answered {error.code} to {url}") from error
    except OSError as error:
        raise LabError(
            f"the registry at {network.REGISTRY} does not answer ({error}): run `python -m lab up`"
        ) from error


def _buildah(home: Home, *arguments: str, log: Path | None = None, check: bool = True) -> str:
    store = ["--root", str(home.build / "containers"), "--runroot", str(home.run / "containers")]
    environment = {"TMPDIR": str(home.build)}
    done = shell.run(
        ["buildah", *store, "--storage-driver", "overlay", *arguments], log=log, check=check, env=environment
    )
    return (done.stdout or "").strip()
