"""Rows in shuffled batches that never end, and whose place can be kept."""

import numpy as np
from numpy.typing import NDArray


class Shuffled:
    """Batches of row numbers, one shuffle after the other; `rows` and `batch` are all that it remembers."""

    def __init__(self, count: int, size: int, random: np.random.Generator) -> None:
        """`count` rows in batches of about `size`; `random` shuffles.

        Batches are of nearly equal size: a last one of a single sample would break batch norm.
        """
        self._count, self._random = count, random
        self.batches = max(1, count // size)
        """In one shuffle."""
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.batch = self.batches

    def next(self) -> NDArray[np.int64]:
        """The next batch."""
        if self.batch == self.batches:
            self.rows, self.batch = self._random.permutation(self._count), 0
        start, self.batch = self._start(self.batch), self.batch + 1
        return self.rows[start : self._start(self.batch)]

    def _start(self, batch: int) -> int:
        """Where a batch begins; the first ones have the rows that are left over, one each."""
        size, left_over = divmod(self._count, self.batches)
        return batch * size + min(batch, left_over)
