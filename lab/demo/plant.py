"""Sets the stage: models trained and pushed, the operator installed with helm, a plant's namespace prepared."""

import copy
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import lab
from lab import Lab, digits, shell
from lab.demo.kube import Kube, Object
from lab.home import REPOSITORY
from lab.progress import Progress
from lab.shell import until

SYSTEM, RELEASE = "edgemodel-system", "edgemodel-operator"
MODEL = "digits"
SAMPLE = REPOSITORY / "manifests" / "samples" / "digits.yaml"
CHART = REPOSITORY / "charts" / "edgemodel-operator"
RULES = REPOSITORY / "manifests" / "prometheus-rules.yaml"
SIGNAL_INTERVAL_S = 1


@dataclass(frozen=True)
class Plant:
    """Everything that the story and the tests need."""

    lab: Lab
    kube: Kube
    images: dict[str, str]
    models: digits.Prepared
    digests: dict[str, str]
    """By artifact: versions, teacher, dataset."""
    token: str
    edgemodel: Path = Path(sys.executable).parent / "edgemodel"
    """The command line of this environment."""

    def artifact(self, name: str) -> dict[str, str]:
        """Where an artifact lies, as the spec names it."""
        return {"uri": f"oci://{self.lab.registry}/{_repository(name)}", "digest": self.digests[name]}

    def version(self, name: str) -> dict[str, str]:
        """A version as spec.versions names it."""
        return {"name": name, **self.artifact(name)}

    def sample(self, namespace: str) -> Object:
        """manifests/samples/digits.yaml with this registry and these digests."""
        body: Object = copy.deepcopy(yaml.safe_load(SAMPLE.read_text()))
        body["metadata"]["namespace"] = namespace
        spec: dict[str, Any] = body["spec"]
        spec["versions"] = [self.version("v1")]
        spec["serving"]["samples"]["sink"] = f"oci://{self.lab.registry}/{MODEL}-samples"
        spec["distillation"] |= {
            "teacher": self.artifact("teacher"),
            "dataset": self.artifact("dataset"),
            "push": f"oci://{self.lab.registry}/{MODEL}",
        }
        return body

    def make_namespace(self, name: str) -> None:
        """A namespace under the restricted Pod Security Standard with the registry's certificate authority."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        bundle = {"ca.crt": self.lab.registry_ca.read_text()}
        self.kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "registry-ca", "namespace": name},
                "data": bundle,
            },
        )


def prepare(progress: Progress) -> Plant:
    """Everything up to an installed operator; what is there already is used again."""
    running = lab.up(lambda line: progress.say(_without_clock(line)))
    kube = Kube.of(running)
    images = lab.images(progress=lambda line: progress.say(_without_clock(line)))
    with progress.step("train the teacher and the versions on real digits"):
        models = digits.prepare(running.home / "digits")
    with progress.step("push them to the registry with the edgemodel command"):
        digests = {name: _push(running, models.folder / name, name) for name in models.digests}
    token = _token(running)
    with progress.step("install the operator with helm"):
        _install(running, kube, images, token)
    return Plant(lab=running, kube=kube, images=images, models=models, digests=digests, token=token)


def _without_clock(line: str) -> str:
    """A line of another progress: one clock is enough."""
    return line.partition("] ")[2] or line


def _push(running: Lab, folder: Path, name: str) -> str:
    uri = f"oci://{running.registry}/{_repository(name)}"
    what = ["dataset", "push", str(folder / "dataset.npz")] if name == "dataset" else ["bundle", "push", str(folder)]
    environment = {"EDGEMODEL_REGISTRY_CA": str(running.registry_ca)}
    return shell.run([Plant.edgemodel, *what, uri], env=environment, timeout_s=60).stdout.strip()


def _repository(name: str) -> str:
    return f"{MODEL}-{name}" if name in ("teacher", "dataset") else MODEL


def _token(running: Lab) -> str:
    """The webhook's token: made once per lab, readable by root only."""
    path = running.home / "webhook-token"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()


def _install(running: Lab, kube: Kube, images: dict[str, str], token: str) -> None:
    repository, _, tag = images["operator"].rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "inference.image": images["inference"],
        "distill.image": images["distill"],
        "prometheus.url": running.prometheus_url,
        "scrape.interval": str(SIGNAL_INTERVAL_S),
        "webhook.token": token,
    }
    settings = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    kube.chart("upgrade", "--install", RELEASE, str(CHART), "-n", SYSTEM, "--create-namespace", *settings)
    kube.run("rollout", "status", f"deployment/{RELEASE}", "-n", SYSTEM, "--timeout=120s")
    service = until("the operator's Service", lambda: kube.get("service", RELEASE, SYSTEM), 10)
    address = f"http://{service['spec']['clusterIP']}:8088/alerts"
    lab.set_alert_webhook(address, token)
    (running.prometheus_rules / RULES.name).write_text(RULES.read_text())
    lab.reload_prometheus()
