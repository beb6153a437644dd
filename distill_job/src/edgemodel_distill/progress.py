"""Tells how far a run is: a bar for people, one JSON line per epoch for machines."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

from tqdm import tqdm


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochReport:
    """One epoch, numbered from 1."""

    epoch: int
    epochs: int
    percent: float
    loss: float
    soft_loss: float
    hard_loss: float
    holdout_accuracy: float
    edge_agreement: float | None
    """Share of held-out edge samples on which student and teacher agree; None where there are none."""


class Watch(Protocol):
    """Whoever wants to know how far a run is."""

    def stage(self, name: str) -> None:
        """Something else begins now."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done."""


class JsonLines:
    """One JSON object per line: `{"event": "epoch", …}`, `{"event": "stage", "stage": …}`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def stage(self, name: str) -> None:
        """A line with the stage's name."""
        self._write({"event": "stage", "stage": name})

    def epoch(self, report: EpochReport) -> None:
        """A line with all that `report` says."""
        self._write({"event": "epoch", **asdict(report)})

    def _write(self, line: dict[str, object]) -> None:
        print(json.dumps(line), file=self._stream, flush=True)


class Bar:
    """A bar in a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None

    def stage(self, name: str) -> None:
        """A line of its own."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        print(name, file=self._stream, flush=True)

    def epoch(self, report: EpochReport) -> None:
        """Moves the bar."""
        bar = self._bar or tqdm(total=report.epochs, unit="epoch", file=self._stream)
        bar.set_postfix_str(f"loss {report.loss:.3f}, holdout {report.holdout_accuracy:.3f}", refresh=False)
        bar.update(report.epoch - bar.n)
        self._bar = bar


def watch_for(stream: TextIO) -> Watch:
    """The bar where `stream` is a terminal, JSON lines elsewhere."""
    return Bar(stream) if stream.isatty() else JsonLines(stream)
