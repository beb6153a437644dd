"""An artifact that was refused for a reason that may pass is tried again after a while."""

from edgemodel.wish import Artifact
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.errors import MACHINE_CODES, Refused

FORGIVE_AFTER, LONGEST = 60.0, 960.0
"""Seconds after which such a refusal is lifted; where the machine was too weak, twice as many each time, up to these: a
trial is work, which it lacks the strength for."""


class SecondChances:
    """Whose refusal is to be lifted, and when. For one thread; times are on the monotonic clock."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._due: dict[str, float] = {}
        self._forgiven: dict[str, str] = {}
        self._pauses: dict[str, float] = {}

    def refuse(self, artifact: Artifact, error: Refused, now: float) -> None:
        """Refuse `artifact`, for good or for a while."""
        self._refusals.add(artifact.digest, artifact.name, error.code, str(error), lasting=error.lasting)
        if not error.lasting:
            self._due[artifact.digest] = now + self._pause(artifact.digest, error)

    def give(self, now: float) -> None:
        """Lift the refusals that are due."""
        for digest in [digest for digest, when in self._due.items() if now >= when]:
            del self._due[digest]
            if (reason := self._refusals.forgive(digest)) is not None:
                self._forgiven[digest] = reason

    def take(self, digest: str) -> str | None:
        """Why `digest` was refused before this try, which uses up its second chance; None where it had none."""
        return self._forgiven.pop(digest, None)

    def _pause(self, digest: str, error: Refused) -> float:
        if error.code not in MACHINE_CODES:
            return FORGIVE_AFTER
        pause = self._pauses.get(digest, FORGIVE_AFTER)
        self._pauses[digest] = min(2 * pause, LONGEST)
        return pause
