"""The workers of one training: how they meet, what they add up together, and how one's end is everyone's.

The leader (rank 0) keeps a small store; the tensors go over a process group of PyTorch: nccl between workers with a GPU
each, gloo otherwise. A worker that fails leaves a note in the store and then the group, so that nobody waits for it:
the others' next sum fails at once, and they read there why. A worker alone has neither store nor group, and every sum
is its own.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import numpy as np
import torch
import torch.distributed.nn  # before there is a group: its functions keep that of this moment, and so keep it open
from torch import Tensor, distributed, nn
from torch.distributed import Store  # type: ignore[attr-defined]  # torch does not list what it exports

from edgemodel_distill import group
from edgemodel_distill.config import Post
from edgemodel_distill.errors import Terminated, WorkerLost, of_code
from edgemodel_distill.group import key
from edgemodel_distill.heartbeat import HEART

PIECE = 8 * 1024**2
"""Bytes that are handed out at a time: each piece is progress, also where the link is slow."""

TICK = 0.1
"""Seconds between two looks at the store, or for the leader."""

OVER = "over"
"""The leader's last word, when all is well."""
_BEGIN = "begin"


class Crew:
    """All workers, as one of them sees them; each calls the same methods in the same order."""

    def __init__(self, post: Post, store: Store | None, patience: float) -> None:
        """Without a store: a worker alone. Others are waited for `patience` seconds."""
        self._post, self._store, self._patience = post, store, patience
        self._round = 0
        self._parted = False
        self._nccl = False
        """Whether tensors on GPUs go from one to the other; by way of the CPUs otherwise."""
        self._present = torch.zeros(1)
        self._lent: dict[tuple[torch.device, torch.dtype, torch.Size], Tensor] = {}
        self.sums = 0
        """Twice the exchanges with all others so far, and one more during one."""

    @property
    def rank(self) -> int:
        """Which worker this is; 0 leads."""
        return self._post.rank

    @property
    def size(self) -> int:
        """How many there are."""
        return self._post.workers

    @property
    def leads(self) -> bool:
        """Whether this worker fetches, examines, saves and ships; the others only train."""
        return self.rank == 0

    @property
    def needs_others(self) -> bool:
        """Whether this worker cannot go on alone: the leader can, once the student is trained."""
        return not (self.leads and self._parted)

    def part(self, count: int) -> slice:
        """Which of `count` rows are this worker's; all parts are nearly equal."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def whole(self, own: Tensor, rows: Tensor, count: int) -> Tensor:
        """All workers' rows (count, k), of which `own` (n, k) are `rows` (n,); gradients flow into one's own."""
        if self.size == 1:
            return own
        together = own.new_zeros(count, *own.shape[1:])
        together[rows] = own.detach()
        self.add_up(together)
        return together.index_copy(0, rows, own)

    def add_up(self, tensor: Tensor) -> None:
        """Replace `tensor` by the sum of all workers'."""
        if self.size > 1:
            with self._exchange(tensor) as lent:
                distributed.all_reduce(lent)
            tensor.copy_(lent)

    def add_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all workers."""
        if self.size > 1:
            gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
            flat = torch.cat([each.flatten() for each in gradients])
            self.add_up(flat)
            for gradient, total in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
                gradient.copy_(total.view_as(gradient))

    def anyone(self, *, flag: bool) -> bool:
        """Whether any worker's flag is up."""
        flags = torch.tensor([float(flag)])
        self.add_up(flags)
        return bool(flags.item())

    def follow(self, network: nn.Module) -> None:
        """Take over the leader's weights."""
        for tensor in network.state_dict().values() if self.size > 1 else ():
            self._broadcast(tensor)

    def hear(self, *, flag: bool) -> bool:
        """What the leader says."""
        if self.size == 1:
            return flag
        said = torch.tensor([int(flag)])
        self._broadcast(said)
        return bool(said.item())

    def hand_out(self, data: bytes = b"") -> bytes:
        """The leader's `data`, at every worker."""
        if self.size == 1:
            return data
        self._broadcast(size := torch.tensor([len(data)]))
        whole = np.frombuffer(data, np.uint8).copy() if self.leads else np.empty(int(size.item()), np.uint8)
        for piece in torch.split(torch.from_numpy(whole), PIECE) if len(whole) else ():
            self._broadcast(piece)
            HEART.beat()
        return data if self.leads else whole.tobytes()

    def assemble(self) -> bool:
        """Form the group, when the leader begins; whether it does at all."""
        if self._store is None:
            return True
        if self.leads:
            self._store.set(_BEGIN, "")
        elif not self._await_word(self._store, _BEGIN):
            return False
        self._form(self._store)
        return True

    def regroup(self) -> None:
        """Begin once more with a new group, after a failure that all workers know of."""
        if self._store is not None:
            group.leave()
            self._round += 1
            self._form(self._store)

    def part_ways(self) -> None:
        """The training is over, or has failed: who still waits for this worker's numbers gets an error."""
        self._parted = True
        group.leave()

    def await_end(self) -> None:
        """Wait until the leader is done; raise what it ended with if that is an error.

        A worker whose index of the Job has ended would not be started again with the others.
        """
        if self._store is not None:
            self._await_word(self._store, OVER)

    def tell(self, code: str, message: str) -> None:
        """Leave a note about this worker's end for the others; the first one counts."""
        if self._store is not None:
            note = json.dumps({"rank": self.rank, "code": code, "message": message})
            with suppress(RuntimeError):  # nobody is there to read it
                self._store.compare_set(key("failed", self._round), "", note)

    def check(self) -> None:
        """Raise what another worker ended with, if one did."""
        where, store = key("failed", self._round), self._store
        note = json.loads(store.get(where)) if store is not None and store.check([where]) else None
        if note is not None and note["rank"] != self.rank:
            if note["code"] == Terminated.__name__:
                raise Terminated
            raise of_code(note["code"])(f"worker {note['rank']}: {note['message']}")

    def _form(self, store: Store) -> None:
        self._nccl = group.have_a_gpu_each(store, self._post, self._round, self._await_word)
        patience = timedelta(seconds=2 * self._patience)  # longer than the leader waits, who then says why
        with self._exchange(torch.empty(0)):
            group.form(store, self._post, self._round, patience, nccl=self._nccl)

    def _broadcast(self, tensor: Tensor) -> None:
        with self._exchange(tensor) as lent:
            distributed.broadcast(lent, 0)
        tensor.copy_(lent)

    def _await_word(self, store: Store, word: str) -> bool:
        """Wait for the leader's `word`: true; or for its end: false."""
        with self._together():
            while not store.check([word]):
                self.check()
                if store.check([OVER]):
                    return False
                time.sleep(TICK)
        return True

    @contextmanager
    def _exchange(self, tensor: Tensor) -> Iterator[Tensor]:
        """Give and take numbers, in which every worker waits for all; with a copy of `tensor`, which is kept.

        Else a thread of gloo's may be the last to let go of it, and want the interpreter's lock for that, which whoever
        destroys the group has while it waits for the thread: pytorch/pytorch issue 56297.

        nccl waits on the GPU for whoever is late or gone, deaf to all else. So the workers meet over gloo first, where
        it is noticed who does not come, with memory that ran out for one.
        """
        where = tensor.device if self._nccl else torch.device("cpu")
        lent = self._lent.setdefault((where, tensor.dtype, tensor.shape), torch.empty_like(tensor, device=where))
        lent.copy_(tensor)
        self.sums += 1
        try:
            with self._together():
                if where.type != "cpu":
                    distributed.all_reduce(self._present)
                yield lent
        finally:
            self.sums += 1

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Say why, where the others cannot be reached any more."""
        try:
            yield
        except RuntimeError as error:  # PyTorch has no type of its own for a connection that is gone
            self._await_note()
            raise WorkerLost(f"another worker is gone: {error!s:.200}") from error

    def _await_note(self) -> None:
        """A note is written before the group is left; who was killed writes none."""
        until = time.monotonic() + 1
        with suppress(RuntimeError):  # the leader is gone, and the store with it
            while time.monotonic() < until:
                self.check()
                time.sleep(TICK)


ALONE = Crew(Post(), None, 0)
