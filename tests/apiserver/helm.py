"""helm for tests: the chart as one release on one API server."""

import subprocess
from dataclasses import dataclass

from lab.control_plane import ControlPlane
from lab.home import REPOSITORY, Home

CHART = REPOSITORY / "charts" / "edgemodel-operator"
NAMESPACE, RELEASE = "edgemodel-system", "demo"


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
        answer = self.run("upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *arguments)
        assert answer.returncode == 0, answer.stderr
        assert "Warning" not in answer.stderr, answer.stderr
        return answer.stdout
