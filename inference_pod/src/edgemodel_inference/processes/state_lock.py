"""One server per state folder: two would write one journal, and drop each other's models. Standard library only."""

import fcntl
import os
from pathlib import Path

from edgemodel_inference import logs
from edgemodel_inference.errors import SettingsError

NAME = "lock"

log = logs.Log("edgemodel.state_lock")


def claim(state: Path) -> None:
    """Hold the folder `state` as long as this process lives.

    Raises:
        SettingsError: another process holds it.
    """
    path = state / NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # kept open until the end
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SettingsError(
            f"EDGEMODEL_STATE: another edgemodel-serve works in '{state}'; want a folder of its own (by --state)"
        ) from error
    except OSError as error:  # a file system without locks; a disk that takes no more files
        log.warning("not locked", path=path, error=str(error))
