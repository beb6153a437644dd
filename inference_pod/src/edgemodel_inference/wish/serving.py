"""What serves, in memory and on disk: every change of the active model goes through here, under one lock.

Two threads change it: the agent, which follows the wish, and the healer, which falls back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgemodel.document import Document
from edgemodel.wish import Artifact
from edgemodel_inference import logs
from edgemodel_inference.disk.records import save
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.model.engine import Engine, await_users
from edgemodel_inference.model.models import Model

log = logs.Log("edgemodel.serving")


class Served(Document):
    """``serving.json``: what this node serves, for the next start."""

    active: Artifact | None = None
    backup: Artifact | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch that was made: digests before and after."""

    left: str
    to: str


class Serving:
    """The engine's models, the record of them on disk, and who wants to know of a switch."""

    def __init__(self, engine: Engine, refusals: Refusals, path: Path) -> None:
        self._engine = engine
        self._refusals = refusals
        self._path = path
        self._lock = threading.Lock()
        self._listeners: list[Callable[[str | None], None]] = []

    @property
    def active(self) -> Model | None:
        return self._engine.active

    @property
    def backup(self) -> Model | None:
        return self._engine.backup

    def on_switch(self, listener: Callable[[str | None], None]) -> None:
        """Call `listener` with the new digest whenever another version becomes active."""
        self._listeners.append(listener)

    def last(self) -> Served:
        """What was served when this was last written."""
        try:
            return Served.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Served()
        except ValidationError:
            log.warning("record of what was served is unreadable", path=self._path)
            return Served()

    def activate(self, model: Model, still_wanted: Callable[[], bool]) -> bool:
        """Make `model` active, unless it is no longer wanted: that is asked under the lock."""
        with self._lock:
            if not still_wanted():
                return False
            old = self._engine.active
            keep = old is not None and old.digest not in self._refusals
            if (backup := self._engine.backup) is not None and backup.digest == model.digest:
                self._engine.flip(keep=keep)
            else:
                self._engine.install(model, keep=keep)
            self._switched(old)
            return True

    def stand_by(self, model: Model | None) -> None:
        """Keep `model` resident as the backup."""
        with self._lock:
            active = self._engine.active
            if active is None or model is None or model.digest != active.digest:
                self._engine.stand_by(model)
                self._write()

    def unload(self) -> None:
        """Serve nothing."""
        with self._lock:
            old = self._engine.active
            self._engine.unload()
            self._switched(old)

    def fall_back(self, reason: str, message: str) -> Switch | None:
        """Flip to the backup and refuse what was active; None where there is no backup that may serve."""
        with self._lock:
            old, backup = self._engine.active, self._engine.backup
            if old is None or backup is None or backup.digest == old.digest or backup.digest in self._refusals:
                return None
            self._refusals.add(old.digest, old.version, reason, message)
            self._engine.flip(keep=False)
            self._switched(old)
            return Switch(old.digest, backup.digest)

    def _switched(self, old: Model | None) -> None:
        new = self._engine.active
        for listener in self._listeners:
            listener(new.digest if new else None)
        self._write()
        log.info("switched", left=old.digest if old else None, to=new.digest if new else None)
        if old is not None:
            await_users(old)

    def _write(self) -> None:
        active, backup = self._engine.active, self._engine.backup
        served = Served(active=active.artifact if active else None, backup=backup.artifact if backup else None)
        save(self._path, served.dump().encode())
