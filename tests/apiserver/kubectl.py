"""kubectl for tests: one API server, answers as data."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.home import Home


@dataclass(frozen=True)
class Kubectl:
    """kubectl of the lab's build, speaking to one API server."""

    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """What kubectl says; the caller looks at its exit status."""
        command = [str(Home.default().bin / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or a list, as data."""
        answer = self.run("get", "-o", "json", *arguments)
        assert answer.returncode == 0, answer.stderr
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def apply(self, document: Mapping[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Server-side apply of one object."""
        return self.run("apply", "--server-side", "-f", "-", *arguments, stdin=json.dumps(document))
