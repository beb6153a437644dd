"""A wall clock that jumps, for processes that are started with it; all their other clocks go on as they are."""

import shutil
import struct
import subprocess
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
YEAR = 365 * 24 * 3600.0


class WallClock:
    """Goes right at first."""

    def __init__(self, folder: Path) -> None:
        """Builds the library that tells the time; skips the test where that cannot be done."""
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("needs a C compiler (cc) to make a wall clock jump")
        library = folder / "wall_clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self._ahead = folder / "ahead"
        self._ahead.write_bytes(struct.pack("=q", 0))
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._ahead)}
        """Of the processes that are to see it."""

    def jump(self, seconds: float) -> None:
        """From now on it goes so many seconds ahead of the machine's clock."""
        with self._ahead.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds)))

    def jump_to(self, moment: datetime) -> None:
        """It is `moment` now."""
        self.jump(moment.timestamp() - time.time())

    def forget(self) -> None:
        """As a machine without a battery for its clock, that has just been switched on."""
        self.jump_to(datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC))
