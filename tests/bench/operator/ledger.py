"""What the API server was asked, from its audit log: whoever asks, and whatever they say of themselves."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READS = frozenset({"get", "list"})
Record = dict[str, Any]


@dataclass
class Ledger:
    """Counts the requests of one user by verb and resource, for example ``update edgemodels/status``."""

    path: Path
    user: str
    apart: str
    """A namespace in which somebody else uses that user's name."""
    counted: "Counter[str]" = field(default_factory=Counter)
    _open: IO[str] | None = None
    _half: str = ""

    def read(self) -> "Counter[str]":
        """All that was answered so far."""
        for record in self._new():
            reference = record.get("objectRef", {})
            if record["user"]["username"] != self.user or reference.get("namespace") == self.apart:
                continue
            if record["stage"] == "ResponseComplete":
                what = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
                self.counted[f"{record['verb']} {what}"] += 1
        return self.counted.copy()

    def at_rest(self, seconds: float = 2.0, within: float = 300.0) -> "Counter[str]":
        """The same, once nothing but watches was asked for some time.

        Raises:
            TimeoutError: something is written again and again.
        """
        deadline, since, seen = time.monotonic() + within, time.monotonic(), self.read()
        while time.monotonic() - since < seconds:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the operator does not come to rest: {self.read() - seen}")
            time.sleep(0.2)
            if (now := self.read()) != seen:
                since, seen = time.monotonic(), now
        return seen

    def _new(self) -> Iterator[Record]:
        """Records since the last look; a log that is full is moved away and another begun."""
        while True:
            if self._open is None:
                self._open = self.path.open()
            *lines, self._half = (self._half + self._open.read()).split("\n")
            yield from map(json.loads, lines)
            if os.fstat(self._open.fileno()).st_ino == self.path.stat().st_ino:
                return
            self._open.close()
            self._open = None


def writes(counted: "Counter[str]") -> "Counter[str]":
    """Those that change something."""
    return Counter({what: count for what, count in counted.items() if what.split()[0] in WRITES})


def reads(counted: "Counter[str]") -> int:
    """How many reads, watches apart."""
    return sum(count for what, count in counted.items() if what.split()[0] in READS)
