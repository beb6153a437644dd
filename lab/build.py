"""Builds the cluster's own commands from source, once per set of inputs."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import packages, shell
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress

SOURCES = Path(__file__).resolve().parent
KUBERNETES_VERSION = "v1.36.3"
HELM_VERSION = "v4.3.1"
KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)


@dataclass(frozen=True)
class Product:
    """One thing to build: what it is called, what it makes, what it is made from."""

    name: str
    commands: tuple[str, ...]
    inputs: tuple[Path, ...]
    recipe: str  # what else decides the result: flags, versions
    make: Callable[[Path, Path], None]  # (output folder, log file)

    def key(self) -> str:
        """Changes when, and only when, the result may change."""
        digest = hashlib.sha256(self.recipe.encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def _kubernetes_flags() -> str:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    package = "k8s.io/component-base/version"
    facts = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in facts.items())])


def _go(arguments: list[str], folder: Path, log: Path, **env: str) -> None:
    if shell.find("go") is None:
        raise LabError("go: command not found; install Go 1.26 or newer, it builds Kubernetes here")
    flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false -trimpath".strip()
    shell.run(["go", *arguments], cwd=folder, log=log, env={"CGO_ENABLED": "0", "GOFLAGS": flags, **env})


def _make_kubernetes(output: Path, log: Path) -> None:
    packages = [f"k8s.io/kubernetes/cmd/{command}" for command in KUBERNETES_COMMANDS]
    _go(["build", "-ldflags", _kubernetes_flags(), "-o", f"{output}/", *packages], SOURCES / "kubernetes", log)


def _make_coredns(output: Path, log: Path) -> None:
    _go(["build", "-ldflags", "-s -w", "-o", f"{output}/coredns", "."], SOURCES / "coredns", log)


def _make_helm(output: Path, log: Path) -> None:
    package = f"helm.sh/helm/v4/cmd/helm@{HELM_VERSION}"
    _go(["install", "-ldflags", "-s -w", package], output, log, GOBIN=str(output))


def _make_pause(output: Path, log: Path) -> None:
    _go(["build", "-ldflags", "-s -w", "-o", f"{output}/pause", "main.go"], SOURCES / "pause", log)


def _module(name: str, *files: str) -> tuple[Path, ...]:
    return tuple(SOURCES / name / file for file in files)


PRODUCTS = (
    Product("pause", ("pause",), _module("pause", "main.go"), "", _make_pause),
    Product(
        "kubernetes",
        KUBERNETES_COMMANDS,
        _module("kubernetes", "go.mod", "go.sum"),
        _kubernetes_flags() + " ".join(KUBERNETES_COMMANDS),
        _make_kubernetes,
    ),
    Product("helm", ("helm",), (), HELM_VERSION, _make_helm),
    Product("coredns", ("coredns",), _module("coredns", "go.mod", "go.sum", "main.go"), "", _make_coredns),
)


def prepare(home: Home, progress: Progress, wanted: Mapping[str, str]) -> None:
    """Install the packages `wanted` and build all commands, both at once. Raises LabError where either fails."""
    home.make_folders()
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(packages.ensure, home, progress, wanted), pool.submit(ensure, home, progress)]
    for job in jobs:
        job.result()


def ensure(home: Home, progress: Progress, products: tuple[Product, ...] = PRODUCTS) -> None:
    """Build what is not built yet and link the commands into `home.bin`."""
    with home.locked(progress.say, "build"):
        for product in products:
            folder = home.build / f"{product.name}-{product.key()}"
            if not folder.exists():
                with progress.step(f"building {product.name} from source"):
                    _build(product, folder, home)
            for command in product.commands:
                _link(home.bin / command, folder / command)


def _build(product: Product, folder: Path, home: Home) -> None:
    with tempfile.TemporaryDirectory(dir=home.build, prefix=f".{product.name}-") as scratch:
        product.make(Path(scratch), home.logs / f"build-{product.name}.log")
        Path(scratch).chmod(0o755)
        shutil.copytree(scratch, folder.with_suffix(".new"), dirs_exist_ok=True)
    folder.with_suffix(".new").replace(folder)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
