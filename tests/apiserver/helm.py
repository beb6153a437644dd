"""helm for tests: the chart as one release on one API server."""

import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from lab.control_plane import ControlPlane
from lab.home import REPOSITORY, Home

CHART = REPOSITORY / "charts" / "edgemodel-operator"
NAMESPACE, RELEASE = "edgemodel-system", "demo"
IMAGES = (
    "--set=image.repository=registry/operator",
    "--set=inference.image=registry/inference:1",
    "--set=distill.image=registry/distill:1",
)
"""The values that everyone must give."""

Body = dict[str, Any]


@dataclass(frozen=True)
class Helm:
    """helm of the lab's build, speaking to one API server."""

    plane: ControlPlane

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What helm says; the caller looks at its exit status."""
        command = [str(Home.default().bin / "helm"), f"--kubeconfig={self.plane.kubeconfig}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def upgrade(self, *arguments: str) -> str:
        """Installs or upgrades the release and returns its notes."""
        answer = self.run("upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *IMAGES, *arguments)
        assert answer.returncode == 0, answer.stderr
        assert "Warning" not in answer.stderr, answer.stderr
        return answer.stdout


def template(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What helm makes of the chart without any cluster."""
    command = [str(Home.default().bin / "helm"), "template", RELEASE, str(CHART), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def render(*arguments: str) -> dict[tuple[str, str], Body]:
    """The objects of the chart by kind and name."""
    answer = template(*IMAGES, *arguments)
    assert answer.returncode == 0, answer.stderr
    bodies = (body for body in yaml.safe_load_all(answer.stdout) if body)
    return {(body["kind"], body["metadata"]["name"]): body for body in bodies}
