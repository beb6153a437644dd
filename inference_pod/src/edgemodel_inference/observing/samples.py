"""The hardest inputs of recent traffic: those of which the active model was least sure.

Bounded in number and bytes, without doubles. A newcomer that is harder than the easiest one kept takes its place;
among equals the oldest goes first. What is older than an hour goes, and all of it goes when another version becomes
active: confidences of two versions cannot be compared, and what a bad version found hard is not hard.
"""

import hashlib
import heapq
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgemodel_inference.model.models import Array

MAX_AGE = 3600.0
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One input, float32 without the batch dimension."""

    array: NDArray[np.float32]
    confidence: float
    seen: float


class Snapshot(NamedTuple):
    """What was kept at a moment, hardest first."""

    number: int
    """Grows with every change of what is kept."""
    digest: str | None
    """Of the version that found it hard."""
    full: bool
    kept: list[Kept]


class HardSamples:
    """Offered by any thread, taken by the one that pushes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limit = 0
        self._digest: str | None = None
        self._kept: dict[bytes, Kept] = {}
        self._easiest: list[tuple[float, int, bytes]] = []
        self._number = 0
        self._changes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, limit: int) -> None:
        """Keep at most `limit` inputs; 0: none."""
        with self._lock:
            self._limit = limit
            while len(self._kept) > limit:
                self._drop_easiest()

    def switched(self, digest: str | None) -> None:
        """Another version is active: drop everything."""
        with self._lock:
            self._digest = digest
            self._kept.clear()
            self._easiest.clear()

    def wants(self, digest: str) -> bool:
        """Whether inputs that version `digest` answered may be kept."""
        return self._limit > 0 and digest == self._digest

    def offer(self, batch: Array, confidence: Array, of: str, now: float | None = None) -> None:
        """Keep copies of the hardest rows of a float32 batch (rows, …); `confidence` is version `of`'s for each row."""
        if batch.dtype != np.float32 or not self.wants(of):
            return
        now = time.monotonic() if now is None else now
        with self._lock:
            limit = self._room(batch[0].nbytes)
            for row, sure in zip(batch, confidence.tolist(), strict=True):
                if len(self._kept) < limit or sure < -self._easiest[0][0]:
                    self._take(row, sure, now, limit)

    def snapshot(self, now: float) -> Snapshot:
        """What is kept now, without what is too old."""
        with self._lock:
            old = [key for key, kept in self._kept.items() if kept.seen < now - MAX_AGE]
            for key in old:
                del self._kept[key]
            if old:
                self._easiest = [item for item in self._easiest if item[2] in self._kept]
                heapq.heapify(self._easiest)
                self._changes += 1
            kept = sorted(self._kept.values(), key=lambda kept: kept.confidence)
            full = bool(kept) and len(kept) >= self._room(kept[0].array.nbytes)
            return Snapshot(self._changes, self._digest, full, kept)

    def _room(self, size: int) -> int:
        """How many inputs of `size` bytes may be kept."""
        return min(self._limit, max(1, MAX_BYTES // max(1, size)))

    def _take(self, row: Array, sure: float, now: float, limit: int) -> None:
        if not np.isfinite(row).all():
            return
        row = np.ascontiguousarray(row)
        key = hashlib.blake2b(row.data, digest_size=16).digest()
        if key in self._kept:
            return
        self._kept[key] = Kept(row.copy(), sure, now)
        self._number += 1
        heapq.heappush(self._easiest, (-sure, self._number, key))
        self._changes += 1
        while len(self._kept) > limit:
            self._drop_easiest()

    def _drop_easiest(self) -> None:
        _, _, key = heapq.heappop(self._easiest)
        del self._kept[key]
