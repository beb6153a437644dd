"""What was done about faults, on disk as JSON lines: each line is durable before the deed.

Times: `at` is the wall clock's, for people. `clock` is the monotonic clock's, which all processes of one boot
share; entries of an earlier boot count as made when the journal was opened, so that a jump of the wall clock
never shortens a cooldown.
"""

import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from pydantic import ValidationError

from edgemodel.document import Document
from edgemodel.ladder import NODE_ACTIONS, ActionType, Attempt, Verdict
from edgemodel_inference import logs
from edgemodel_inference.disk.records import append, save

KEEP = 1000
"""Entries kept; the file is rewritten when it has twice as many."""

log = logs.Log("edgemodel.journal")


class _Stamp(TypedDict):
    """When something was noted."""

    at: str
    clock: float
    boot: str


class Entry(Document):
    """One line.

    Assignment: the wished version `to` is active; ladders begin anew, unless the wish `adopted` a fallback. Attempt:
    `action` is taken about `fault`, from the version `left` and for SwitchModel `to` another. Verdict: how the attempt
    before it for the same fault ended.
    """

    kind: Literal["Assignment", "Attempt", "Verdict"]
    at: str
    clock: float
    boot: str
    fault: str = ""
    action: ActionType | None = None
    verdict: Verdict | None = None
    evidence: str = ""
    left: str | None = None
    to: str | None = None
    cleared: int = 0
    """Assignment: the number under which the wish listed the digest as cleared; 0: it did not."""
    adopted: bool = False
    """Assignment: this node had fallen back to the version already."""


class Journal:
    """The entries, in memory and on disk. Used by one thread; `heals` and `recent` may be read by others."""

    def __init__(self, path: Path, boot: str, now: float) -> None:
        self._path = path
        self._boot = boot
        self._lock = threading.Lock()
        self._entries = [
            e if e.boot == boot else e.model_copy(update={"clock": now, "boot": boot}) for e in _read(path)
        ]
        self._lines = len(self._entries)
        self.heals = Counter(_key(e.fault, e.action, e.verdict) for e in self._entries if e.kind == "Verdict")
        """Ended attempts by fault, action and verdict."""

    def recent(self, count: int) -> list[Entry]:
        """The last `count` entries, oldest first."""
        with self._lock:
            return self._entries[-count:]

    def assignment(self) -> Entry | None:
        """The last assignment that was noted."""
        return next((e for e in reversed(self._entries) if e.kind == "Assignment"), None)

    def fell_back_to(self) -> str | None:
        """Where the last switch since the last assignment went, if there was one."""
        for entry in reversed(self._entries):
            if entry.kind == "Assignment":
                return None
            if entry.action is ActionType.SWITCH_MODEL and entry.kind == "Attempt":
                return entry.to
        return None

    def taken_since(self, clock: float) -> int:
        """How many actions were taken since `clock`, about whatever fault; any thread."""
        return sum(entry.kind == "Attempt" and entry.clock > clock for entry in self.recent(KEEP))

    def judged(self) -> dict[tuple[str, ...], float]:
        """By fault, action and verdict: when a node's own action ended last, by the wall clock; any thread."""
        last = {
            (e.fault, e.action): e
            for e in self.recent(KEEP)
            if e.kind == "Verdict" and e.action in NODE_ACTIONS and e.verdict is not None
        }
        return {_key(e.fault, e.action, e.verdict): _seconds(e.at) for e in last.values()}

    def attempts(self, fault: str) -> list[Attempt]:
        """What was tried about `fault` since the last assignment, oldest first."""
        attempts: list[Attempt] = []
        for entry in self._entries:
            if entry.kind == "Assignment":
                attempts = attempts if entry.adopted else []
            elif entry.fault == fault and entry.action is not None:
                if entry.kind == "Attempt":
                    attempts.append(Attempt(action=entry.action, at=entry.clock))
                elif attempts:
                    attempts[-1] = Attempt(action=entry.action, at=attempts[-1].at, verdict=entry.verdict)
        return attempts

    def note_assignment(self, now: float, to: str, *, cleared: int, adopted: bool = False) -> None:
        """The wished version is active."""
        self._append(Entry(kind="Assignment", to=to, cleared=cleared, adopted=adopted, **self._stamp(now)))

    def note_attempt(  # noqa: PLR0913, PLR0917 (an entry's fields)
        self,
        now: float,
        fault: str,
        action: ActionType,
        evidence: str,
        left: str | None = None,
        to: str | None = None,
    ) -> None:
        """`action` is about to be taken; durable when this returns."""
        what = Entry(
            kind="Attempt", fault=fault, action=action, evidence=evidence, left=left, to=to, **self._stamp(now)
        )
        self._append(what)

    def note_verdict(self, now: float, fault: str, action: ActionType, verdict: Verdict, evidence: str) -> None:
        """The open attempt about `fault` has ended."""
        ended = Entry(
            kind="Verdict", fault=fault, action=action, verdict=verdict, evidence=evidence, **self._stamp(now)
        )
        self._append(ended)
        self.heals[_key(fault, action, verdict)] += 1

    def _stamp(self, now: float) -> _Stamp:
        return _Stamp(at=datetime.now(UTC).isoformat(timespec="milliseconds"), clock=now, boot=self._boot)

    def _append(self, entry: Entry) -> None:
        log.info("journal", **entry.model_dump(exclude={"at", "clock", "boot"}, exclude_defaults=True))
        with self._lock:
            self._entries = [*self._entries, entry][-KEEP:]
        self._lines += 1
        if self._lines > 2 * KEEP:
            save(self._path, b"".join(_line(e) for e in self._entries))
            self._lines = len(self._entries)
        else:
            append(self._path, _line(entry))


def boot_id() -> str:
    """Names this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _key(fault: str, action: ActionType | None, verdict: Verdict | None) -> tuple[str, ...]:
    return fault, str(action), str(verdict)


def _line(entry: Entry) -> bytes:
    return entry.dump().encode() + b"\n"


def _seconds(at: str) -> float:
    """Of the epoch; 0 where the disk has damaged it: that takes no metrics away."""
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0


def _read(path: Path) -> list[Entry]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines[-2 * KEEP :]:
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError:
            log.warning("journal: a damaged line is skipped")
    return entries[-KEEP:]
