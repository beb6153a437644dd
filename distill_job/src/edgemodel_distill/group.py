"""PyTorch's process group, in which the workers of one training add numbers up: formed anew in each round, and left."""

from collections.abc import Callable
from datetime import timedelta

from torch import distributed
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]  # torch does not list what it exports

from edgemodel_distill import device
from edgemodel_distill.config import Post


def key(what: str, number: int) -> str:
    """Name of an entry in the store."""
    return f"{what}-{number}"


def have_a_gpu_each(store: Store, post: Post, number: int, wait_for: Callable[[Store, str], object]) -> bool:
    """Whether nccl can join the workers in round `number`: it wants each to have a GPU, and no two the same.

    `wait_for` waits for an entry of the store.
    """
    names = [key(f"gpu of {rank}", number) for rank in range(post.workers)]
    store.set(names[post.rank], device.identity(post.rank))
    gpus = []
    for name in names:
        wait_for(store, name)
        gpus.append(store.get(name))
    return b"" not in gpus and len(set(gpus)) == post.workers


def form(store: Store, post: Post, number: int, timeout: timedelta, *, nccl: bool) -> None:
    """Wait for all workers in round `number`; then tensors go over gloo, with `nccl` those on GPUs over that."""
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if nccl else "gloo",
        store=PrefixStore(key("group", number), store),
        rank=post.rank,
        world_size=post.workers,
        timeout=timeout,
    )


def leave() -> None:
    """Close the connections to the others, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
