"""The state of a training on disk, so that a killed run goes on where it was and ends with the same student.

One safetensors file, replaced at once: tensors of the student, its optimiser, its average, the best so far and
PyTorch's generator; the rest as JSON in the file's header, with a digest of it all: disks lose power, and lie.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from edgemodel_distill.crew import Crew
from edgemodel_distill.running import Running, State
from edgemodel_registry.whole import write_whole

_STUDENT, _OPTIMIZER, _AVERAGE, _BEST = "student.", "optimizer.", "average.", "best."
_TORCH_RANDOM, _LABELLED_ROWS, _EDGE_ROWS = "torch_random", "labelled_rows", "edge_rows"
_HEADER, _DIGEST = "training", "sha256"


@dataclass(slots=True)
class Checkpoint:
    """Saves a training after each epoch, and when it has to stop; `notes` are kept with it."""

    path: Path
    fingerprint: str
    """Of all that the student depends on: a checkpoint of something else is not used."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    tell: Callable[[str], None] = lambda _: None
    """Is told whether the training goes on, or why it does not."""

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
        text = json.dumps(header)
        write_whole(self.path, safetensors.torch.save(tensors, {_HEADER: text, _DIGEST: _digest(text, tensors)}))

    def share(self, crew: Crew) -> None:
        """Give the leader's file to every worker of `crew`; where the leader has none, nobody has."""
        if crew.size > 1:
            data = crew.hand_out(self.path.read_bytes() if crew.leads and self.path.exists() else b"")
            if data and not crew.leads:
                self.path.write_bytes(data)
            elif not data:
                self.path.unlink(missing_ok=True)

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
        steps = f" and {running.place.step} steps" if running.place.step else ""
        self.tell(f"{self.path.name}: the training goes on after epoch {running.place.epoch - 1}{steps}")

    def _read(self) -> tuple[dict[str, Any], State] | None:
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            text = metadata.get(_HEADER, "")
            if metadata.get(_DIGEST) != _digest(text, tensors):
                raise ValueError("its bytes are not those that were written")
            header = json.loads(text)
        except FileNotFoundError:
            return None
        except (safetensors.SafetensorError, ValueError) as error:
            self.tell(f"{self.path.name} is damaged, so the training begins anew: {error}")
            return None
        if header["fingerprint"] != self.fingerprint:
            self.tell(f"{self.path.name} is of other settings, data or libraries, so the training begins anew")
            return None
        return header, tensors


def _digest(text: str, tensors: State) -> str:
    """Of the header's `text` and all `tensors`, on whatever device they are."""
    whole = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():  # an empty one cannot be seen as bytes
            whole.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


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
