"""The state of a training on disk, so that a killed run goes on where it was and ends with the same student.

One safetensors file, replaced at once: tensors of the student, its optimiser and PyTorch's generator; the rest as JSON
in the file's header.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from edgemodel_distill.batches import EndlessRows
from edgemodel_registry.download import write_whole

_STUDENT, _OPTIMIZER, _TORCH_RANDOM, _EDGE_ROWS = "student.", "optimizer.", "torch_random", "edge_rows"
_HEADER = "training"


@dataclass(frozen=True, slots=True)
class Running:
    """Everything that changes while a student is trained."""

    student: nn.Module
    optimizer: torch.optim.Adam
    schedule: torch.optim.lr_scheduler.CosineAnnealingLR
    random: np.random.Generator
    edge_rows: EndlessRows


@dataclass(slots=True)
class Checkpoint:
    """Saves a training after each epoch; `notes` are kept with it."""

    path: Path
    fingerprint: str
    """Of all that the student depends on: a checkpoint of something else is not used."""
    notes: list[dict[str, Any]] = field(default_factory=list)

    def save(self, epoch: int, running: Running) -> None:
        """Replace the file by the state after `epoch`.

        Raises:
            OSError: the disk; what was there before is still there.
        """
        tensors = {_STUDENT + name: tensor.contiguous() for name, tensor in running.student.state_dict().items()}
        for number, state in running.optimizer.state_dict()["state"].items():
            tensors |= {f"{_OPTIMIZER}{number}.{name}": tensor for name, tensor in state.items()}
        tensors[_TORCH_RANDOM] = torch.get_rng_state()
        tensors[_EDGE_ROWS] = torch.from_numpy(running.edge_rows.rows)
        header = {
            "fingerprint": self.fingerprint,
            "epoch": epoch,
            "rate": running.optimizer.param_groups[0]["lr"],
            "schedule": running.schedule.state_dict(),
            "random": running.random.bit_generator.state,
            "edge_position": running.edge_rows.position,
            "notes": self.notes,
        }
        write_whole(self.path, safetensors.torch.save(tensors, {_HEADER: json.dumps(header)}))

    def resume(self, running: Running) -> int:
        """Bring `running` and the notes to where the file left them; return that epoch, 0 where there is none."""
        found = self._read()
        if found is None:
            return 0
        header, tensors = found
        running.student.load_state_dict(_below(_STUDENT, tensors))
        optimizer = running.optimizer.state_dict()
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(_OPTIMIZER, tensors).items():
            number, _, key = name.partition(".")
            state.setdefault(int(number), {})[key] = tensor
        running.optimizer.load_state_dict({**optimizer, "state": state})
        running.schedule.load_state_dict(header["schedule"])
        running.optimizer.param_groups[0]["lr"] = header["rate"]
        running.random.bit_generator.state = header["random"]
        running.edge_rows.rows, running.edge_rows.position = tensors[_EDGE_ROWS].numpy(), header["edge_position"]
        torch.set_rng_state(tensors[_TORCH_RANDOM])
        self.notes[:] = header["notes"]
        epoch: int = header["epoch"]
        return epoch

    def _read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
                if header.get("fingerprint") != self.fingerprint:
                    return None
                return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except (FileNotFoundError, safetensors.SafetensorError, ValueError):
            return None  # the training then begins anew


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
