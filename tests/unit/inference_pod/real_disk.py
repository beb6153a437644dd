"""A small ext4 disk of its own, and what is left of it when the power is cut.

The file system lies in a file behind a loop device. What it has written there is what a disk would have; what it
still holds in memory is lost with the power. So a copy of the file, taken at any moment and mounted, is the disk
after a power cut at that moment. Journal of names without their data (``data=writeback``, no allocation on rename):
the mode in which careless writers lose most.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted disk; `folder` is where."""

    folder: Path
    image: Path

    def commit_names(self) -> None:
        """Let the journal write down all names now, as it does every few seconds; data may still be in memory."""
        bell = self.folder / ".bell"
        with bell.open("ab") as file:
            file.write(b".")
            file.flush()
            subprocess.run(["sync", str(bell)], check=True)

    def copy(self, to: Path) -> Path:
        """The disk as the next start would find it if the power were cut now."""
        return Path(shutil.copyfile(self.image, to))


@contextmanager
def disk(folder: Path, *, size: int) -> Iterator[Disk]:
    """A new disk of `size` bytes, mounted for the length of the block."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(size)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.fail(f"mkfs.ext4: {made.stderr}")
    with mounted(image, folder / "disk") as where:
        yield Disk(where, image)


@contextmanager
def mounted(image: Path, where: Path) -> Iterator[Path]:
    """Mount `image`, playing back its journal."""
    where.mkdir(exist_ok=True)
    options = "loop,data=writeback,noauto_da_alloc"
    done = subprocess.run(
        ["mount", "-t", "ext4", "-o", options, str(image), str(where)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"needs root and loop devices to cut the power of a real file system: {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)
        with contextlib.suppress(OSError):
            where.rmdir()
