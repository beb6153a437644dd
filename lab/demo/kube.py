"""The lab's API server through kubectl: what a user would type, with the answers parsed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Lab, shell

Object = dict[str, Any]


@dataclass(frozen=True)
class Kube:
    """kubectl and helm for one cluster."""

    kubectl: Path
    helm: Path
    kubeconfig: Path

    @classmethod
    def of(cls, lab: Lab) -> "Kube":
        """The lab's."""
        return cls(kubectl=lab.bin / "kubectl", helm=lab.bin / "helm", kubeconfig=lab.kubeconfig)

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints. Raises LabError with its message."""
        environment = {"KUBECONFIG": str(self.kubeconfig)}
        return shell.run([self.kubectl, *arguments], env=environment, stdin=stdin, timeout_s=120).stdout

    def chart(self, *arguments: str) -> str:
        """Run helm and return what it prints. Raises LabError with its message."""
        environment = {"KUBECONFIG": str(self.kubeconfig)}
        return shell.run([self.helm, *arguments], env=environment, timeout_s=300).stdout

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """One object, or None where there is none."""
        text = self.run("get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """Objects of one kind."""
        found: list[Object] = json.loads(self.run("get", kind, "-n", namespace, "-l", selector, "-o", "json"))["items"]
        return found

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects."""
        self.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def patch(self, kind: str, name: str, namespace: str, change: Mapping[str, Any]) -> None:
        """Merge `change` into one object."""
        self.run("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(change))
