"""Several requests in one run: how they are joined and split, for which models that pays, and how long runs take.

Whether it pays is measured when a model is opened, on the processor that is to serve it. A small convolution that
fits the caches gains nothing from company; a layer whose weights do not fit them is read once for all rows.
"""

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgemodel_inference.errors import TooMuchMemory, Unprocessable
from edgemodel_inference.model.models import ALONE, Array, Batching, Model

WORTH = 1.25
"""Rows per second together over rows per second alone, from which batches pay for joining and splitting them."""
HAND_OVER = 2e-4
"""Seconds that it costs to hand a run to the inference thread and its result back."""
BUDGET, SLOW = 0.05, 0.1
"""Seconds for the runs of one size, and beyond which a run would hold others up for too long to try a larger one."""
ROUNDS = 20
RTOL, ATOL = 1e-3, 1e-4
"""Kernels for more rows add in another order; int8 models round once more."""

Feeds = Mapping[str, Array]


def rows_of(feeds: Feeds) -> int:
    """Rows of a request: the first dimension of its inputs, 0 where they have none or differ in it."""
    counts = {array.shape[0] if array.ndim else 0 for array in feeds.values()}
    return counts.pop() if len(counts) == 1 else 0


def alike(one: Feeds, other: Feeds) -> bool:
    """Whether rows of both can be run together."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].shape[1:] == other[name].shape[1:] for name in one
    )


def join(requests: Sequence[Feeds]) -> Feeds:
    """One request with the rows of all, in order."""
    return {name: np.concatenate([feeds[name] for feeds in requests]) for name in requests[0]}


def split(outputs: Sequence[Array], counts: Sequence[int]) -> list[list[Array]]:
    """The outputs of `join`ed requests with `counts` rows, for each of them."""
    ends = np.cumsum(counts)[:-1]
    pieces = [np.split(output, ends) for output in outputs]
    return [list(parts) for parts in zip(*pieces, strict=True)]


def measure(model: Model, feeds: Feeds, most: int, clock: Callable[[], float] = time.perf_counter) -> Batching:
    """Find out how many rows to run together, at most `most`, and which runs are short; `feeds` are the golden inputs.

    A model whose rows depend on each other, or that takes one row only, is never given company.
    """
    there = rows_of(feeds)
    if there < 1:
        return ALONE
    if most < 2 or not _independent(model, feeds, min(most, 4)):  # noqa: PLR2004 (two rows are company)
        seconds = _time(model, {there: feeds}, clock)
        return Batching(1, seconds, _inline(model, seconds, 1))
    row = {name: array[:1] for name, array in feeds.items()}
    seconds = _time(model, {rows: join([row] * rows) for rows in _sizes(most)}, clock)
    best = max(seconds, key=lambda count: count / (seconds[count] + HAND_OVER))
    gain = best / seconds[best] * seconds[1]
    rows = best if gain >= WORTH else 1
    return Batching(rows, seconds, _inline(model, seconds, rows))


def _sizes(most: int) -> list[int]:
    return [*itertools.takewhile(lambda rows: rows < most, (2**power for power in itertools.count())), most]


def _inline(model: Model, seconds: Mapping[int, float], batch: int) -> int:
    """Rows of the largest run that takes no longer than to hand it over, or than its share of a batch handed over.

    None where the time of a run does not follow from its rows.
    """
    if any(tensor.datatype == "BYTES" or min(tensor.shape[1:], default=1) < 1 for tensor in model.card.inputs):
        return 0
    share = (seconds[batch] + HAND_OVER) / batch if batch > 1 else math.inf
    return max((rows for rows, taken in seconds.items() if taken <= min(HAND_OVER, rows * share)), default=0)


def _time(model: Model, feeds: Mapping[int, Feeds], clock: Callable[[], float]) -> dict[int, float]:
    """Seconds of the quickest of some runs of each size, in turns: what disturbs one disturbs all."""
    seconds: dict[int, float] = {}
    for rows, each in feeds.items():
        seconds[rows] = _time_once(model, each, clock)
        if seconds[rows] > SLOW:
            break
    deadline = clock() + BUDGET * len(seconds)
    for _ in range(ROUNDS):
        for rows, least in seconds.items():
            if clock() < deadline:
                seconds[rows] = min(least, _time_once(model, feeds[rows], clock))
    return seconds


def _time_once(model: Model, feeds: Feeds, clock: Callable[[], float]) -> float:
    began = clock()
    model.run(feeds)
    return max(clock() - began, 1e-9)


def _independent(model: Model, feeds: Feeds, count: int) -> bool:
    """Whether rows give the same outputs in company, in a graph that leaves their number open."""
    tensors = (*model.session.get_inputs(), *model.session.get_outputs())
    if any(not tensor.shape or isinstance(tensor.shape[0], int) for tensor in tensors):
        return False
    there = rows_of(feeds)
    alone = [{name: array[i % there : i % there + 1] for name, array in feeds.items()} for i in range(count)]
    try:
        together = split(model.run(join(alone)), [1] * count)
        apart = [model.run(each) for each in alone]
    except (Unprocessable, TooMuchMemory, ValueError):  # ValueError: the rows of an output are not those of the input
        return False
    return all(_same(a, b) for one, other in zip(together, apart, strict=True) for a, b in zip(one, other, strict=True))


def _same(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype.kind not in "fiub":
        return False
    return bool(np.allclose(one, other, rtol=RTOL, atol=ATOL, equal_nan=True))
