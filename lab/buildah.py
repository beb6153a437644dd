"""Builds images without a daemon: buildah, on a base image made by debootstrap."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import shell
from lab.container_images import BASE, short_name
from lab.home import Home

SUITE = "trixie"
HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CERTIFICATES_INSIDE = "/run/host-ca.crt"


@dataclass(frozen=True)
class Buildah:
    """buildah with its store in one LAB_HOME."""

    home: Home

    def build(self, dockerfile: Path, context: Path, reference: str) -> None:
        """Build one image into the store. Raises LabError that quotes the end of the build's log."""
        self._ensure_base()
        command = ["build", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never"]
        # Debian's buildah leaves out a stage that only an argument's default names.
        command += ["--build-arg", "DEVICE=cpu"]
        command += ["--build-arg", f"BASE={BASE}", "--file", str(dockerfile), "--tag", reference]
        if HOST_CERTIFICATES.exists():
            command += ["--volume", f"{HOST_CERTIFICATES}:{CERTIFICATES_INSIDE}:ro"]
            command += ["--build-arg", f"PIP_CERT={CERTIFICATES_INSIDE}"]
        self._run(*command, str(context), log=self.home.logs / f"image-{short_name(reference)}.log")

    def push(self, reference: str) -> None:
        """Push one image from the store to the lab's registry."""
        trust = self.home.etc / "registry-trust"
        trust.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.home.pki / "ca.crt", trust / "ca.crt")
        self._run("push", "--quiet", "--cert-dir", str(trust), reference, f"docker://{reference}")

    def _ensure_base(self) -> None:
        """Make the base image that stands for debian:trixie-slim, once."""
        if self._run("images", "--quiet", BASE, check=False):
            return
        with tempfile.TemporaryDirectory(dir=self.home.build) as scratch:
            root = Path(scratch) / "root"
            command = ["debootstrap", "--variant=minbase", SUITE, str(root)]
            if mirror := debian_mirror():
                command.append(mirror)
            shell.run(command, log=self.home.logs / "debootstrap.log")
            for waste in ("var/cache/apt/archives", "var/lib/apt/lists"):
                shutil.rmtree(root / waste)
                (root / waste / "partial").mkdir(parents=True)
            container = self._run("from", "scratch")
            self._run("add", "--quiet", container, str(root), "/")
            path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            self._run("config", "--cmd", "bash", "--env", path, container)
            self._run("commit", "--quiet", "--rm", container, BASE)

    def _run(self, *arguments: str, log: Path | None = None, check: bool = True) -> str:
        store = ["--root", str(self.home.build / "containers"), "--runroot", str(self.home.run / "containers")]
        environment = {"TMPDIR": str(self.home.build)}
        command = ["buildah", *store, "--storage-driver", "overlay", *arguments]
        return (shell.run(command, log=log, check=check, env=environment).stdout or "").strip()


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
