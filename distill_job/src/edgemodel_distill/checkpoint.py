"""The state of a training on disk, so that a killed run goes on where it was and ends with the same student.

One safetensors file, replaced at once: tensors of the student, its optimiser, its average, the best so far and
PyTorch's generator; the rest as JSON in the file's header.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgemodel_distill.running import Running, State
from edgemodel_registry.whole import write_whole

_STUDENT, _OPTIMIZER, _AVERAGE, _BEST = "student.", "optimizer.", "average.", "best."
_TORCH_RANDOM, _LABELLED_ROWS, _EDGE_ROWS = "torch_random", "labelled_rows", "edge_rows"
_HEADER = "training"


@dataclass(slots=True)
class Checkpoint:
    """Saves a training after each epoch, and when it has to stop; `notes` are kept with it."""

    path: Path
    fingerprint: str
    """Of all that the student depends on: a checkpoint of something else is not used."""
    notes: list[dict[str, Any]] = field(default_factory=list)

    def save(self, running: Running) -> None:
        """Replace the file by the state as it is.

        Raises:
            OSError: the disk; what was there before is still there.
        """
        views, best = running.views, running.best
        tensors = _above(_STUDENT, running.student.state_dict())
        for number, state in running.optimizer.state_dict()["state"].items():
            tensors |= _above(f"{_OPTIMIZER}{number}.", {n: v for n, v in state.items() if isinstance(v, Tensor)})
        if running.average is not None:
            tensors |= _above(_AVERAGE, running.average.state_dict())
        tensors |= _above(_BEST, best.weights or {})
        tensors[_TORCH_RANDOM] = torch.get_rng_state()
        tensors[_LABELLED_ROWS] = torch.from_numpy(views.labelled.rows)
        tensors[_EDGE_ROWS] = torch.from_numpy(views.edge.rows)
        header = {
            "fingerprint": self.fingerprint,
            "place": asdict(running.place),
            "best": {"accuracy": best.accuracy, "epoch": best.epoch},
            "rate": running.optimizer.param_groups[0]["lr"],
            "schedule": running.schedule.state_dict(),
            "random": views.random.bit_generator.state,
            "batches": [views.labelled.batch, views.edge.batch],
            "notes": self.notes,
        }
        write_whole(self.path, safetensors.torch.save(tensors, {_HEADER: json.dumps(header)}))

    def resume(self, running: Running) -> None:
        """Bring `running` and the notes to where the file left them, if there is one."""
        found = self._read()
        if found is None:
            return
        header, tensors = found
        running.student.load_state_dict(_below(_STUDENT, tensors))
        _resume_optimizer(running.optimizer, _below(_OPTIMIZER, tensors), header["rate"])
        running.schedule.load_state_dict(header["schedule"])
        if running.average is not None:
            running.average.load_state_dict(_below(_AVERAGE, tensors))
        running.best.weights = _below(_BEST, tensors) or None
        running.best.accuracy, running.best.epoch = header["best"]["accuracy"], header["best"]["epoch"]
        for name, value in header["place"].items():
            setattr(running.place, name, value)
        views = running.views
        views.random.bit_generator.state = header["random"]
        views.labelled.rows, views.edge.rows = tensors[_LABELLED_ROWS].numpy(), tensors[_EDGE_ROWS].numpy()
        views.labelled.batch, views.edge.batch = header["batches"]
        torch.set_rng_state(tensors[_TORCH_RANDOM])
        self.notes[:] = header["notes"]

    def _read(self) -> tuple[dict[str, Any], State] | None:
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
                if header.get("fingerprint") != self.fingerprint:
                    return None
                return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except (FileNotFoundError, safetensors.SafetensorError, ValueError):
            return None  # the training then begins anew


def _resume_optimizer(optimizer: torch.optim.Optimizer, tensors: State, rate: float) -> None:
    state: dict[int, State] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    optimizer.param_groups[0]["lr"] = rate


def _above(prefix: str, tensors: Mapping[str, Tensor]) -> State:
    return {prefix + name: tensor.contiguous() for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
