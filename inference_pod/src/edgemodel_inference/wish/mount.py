"""Notices that the wish's mount is gone. Standard library only.

KubeEdge's node agent, when it restarts, cuts running containers off their ConfigMap volumes: the file vanishes for
good, the pod stays Running, and no new wish can reach it. A restart of the container heals that.
"""

from pathlib import Path

GONE_LIMIT = 15.0
"""Seconds without the file after which the container should end; an update of the volume takes milliseconds."""
LIVENESS_LIMIT = 60.0
"""Seconds after which the liveness probe fails, should the container not have ended by itself."""
EXIT_MOUNT_GONE = 75
"""Exit code of a container that ends for this (EX_TEMPFAIL of sysexits.h): starting again helps."""


class MountWatch:
    """Looks at one file. A file that was never there is not gone: ending would not bring it."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: there is no mount, and nothing to watch."""
        self._path = path
        self._last_seen: float | None = None

    def gone_for(self, now: float) -> float:
        """Seconds since the file was seen last; 0 while it is there, or was never. `now`: monotonic seconds."""
        if self._path is None:
            return 0.0
        if self._path.exists():
            self._last_seen = now
        return 0.0 if self._last_seen is None else now - self._last_seen
