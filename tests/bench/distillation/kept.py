"""What was trained and examined is kept: a run of hours that is stopped goes on where it was."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from torch import nn

import edgemodel_distill

Right = NDArray[np.bool_]
"""Which test images were told right, (10000,)."""
Rights = Mapping[str, Right]

_SECONDS = "seconds"
_SOURCES = (Path(edgemodel_distill.__file__).parent, Path(__file__).parent)


def key(asked: Iterable[object]) -> str:
    """Twelve digits that change with what is `asked`, and with the code that trains."""
    told = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted(folder.rglob("*.py")):
            told.update(file.read_bytes())
    for each in asked:
        told.update(each if isinstance(each, bytes) else repr(each).encode())
    return told.hexdigest()[:12]


@dataclass(frozen=True)
class Kept:
    """A folder SCALE-KEY; several processes may use it at once."""

    folder: Path

    def clear_others(self) -> None:
        """Make the folder, and remove those of the same scale beside it, of other teachers or code."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in self.folder.parent.glob(self.folder.name.partition("-")[0] + "-*"):
            if other != self.folder:
                shutil.rmtree(other)

    def rights(self, scene: str, seed: int) -> Rights | None:
        """What a scene came to with this seed; None where it has not been run."""
        told = self._read(scene, seed)
        return {name: right for name, right in told.items() if name != _SECONDS} if told else None

    def seconds(self, scene: str, seed: int) -> float:
        """How long that took."""
        return float(self._read(scene, seed)[_SECONDS])

    def keep(self, scene: str, seed: int, rights: Rights, seconds: float) -> None:
        """Write it down."""
        new = self.folder / f"{scene}-{seed}.{os.getpid()}"
        with new.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **rights, **{_SECONDS: np.array(seconds)})
        new.replace(self._file(scene, seed))

    def restore(self, name: str, seed: int, student: nn.Module) -> bool:
        """Whether this student was trained before; it has its weights then."""
        file = self._student_file(name, seed)
        if file.exists():
            student.load_state_dict(safetensors.torch.load_file(file))
            student.eval()
        return file.exists()

    def keep_student(self, name: str, seed: int, student: nn.Module) -> None:
        """Write its weights down."""
        new = self.folder / f"{name}-{seed}.{os.getpid()}"
        safetensors.torch.save_file(student.state_dict(), new)
        new.replace(self._student_file(name, seed))

    def _file(self, scene: str, seed: int) -> Path:
        return self.folder / f"{scene}-{seed}.npz"

    def _student_file(self, name: str, seed: int) -> Path:
        return self.folder / f"{name}-{seed}.safetensors"

    def _read(self, scene: str, seed: int) -> dict[str, NDArray[np.generic]]:
        if not self._file(scene, seed).exists():
            return {}
        with np.load(self._file(scene, seed)) as file:
            return dict(file)
