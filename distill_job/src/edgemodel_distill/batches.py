"""Batches of rows that never end, and whose place can be kept."""

import numpy as np
from numpy.typing import NDArray


class EndlessRows:
    """Batches of row numbers, one shuffle after the other; `rows` and `position` are all that it remembers."""

    def __init__(self, count: int, size: int, random: np.random.Generator) -> None:
        """`count` rows in batches of `size`; `random` shuffles."""
        self._count, self._size, self._random = count, size, random
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.position = 0

    def next(self) -> NDArray[np.int64]:
        """The next batch; the last one of a shuffle may be smaller."""
        if self.position >= len(self.rows):
            self.rows, self.position = self._random.permutation(self._count), 0
        start, self.position = self.position, self.position + self._size
        return self.rows[start : self.position]
