"""Tells how far a run is: a bar for people, one JSON line per epoch for machines."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

from tqdm import tqdm

_UNBALANCED = 5
"""The largest class over a smaller one from which on people should know."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """What there is to train and to examine with."""

    training: int
    holdout: int
    per_class: tuple[int, ...]
    """Labelled samples of each class."""
    edge: int
    """Unlabelled samples."""
    repeated: int
    """Samples, with labels and without, that were there already and are left out."""


class Watch(Protocol):
    """Whoever wants to know how far a run is."""

    def stage(self, name: str) -> None:
        """Something else begins now."""

    def note(self, text: str) -> None:
        """Something that people should know."""

    def data(self, report: DataReport) -> None:
        """The data is there."""

    def epoch(self, report: EpochReport) -> None:
        """An epoch is done."""


class JsonLines:
    """One JSON object per line: `{"event": "epoch", …}`, `{"event": "stage", "stage": …}`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def stage(self, name: str) -> None:
        """A line with the stage's name."""
        self._write({"event": "stage", "stage": name})

    def note(self, text: str) -> None:
        """A line with the text."""
        self._write({"event": "note", "note": text})

    def data(self, report: DataReport) -> None:
        """A line with all that `report` says."""
        self._write({"event": "data", **asdict(report)})

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

    def note(self, text: str) -> None:
        """A line of its own."""
        self.stage(text)

    def data(self, report: DataReport) -> None:
        """One line, and one about each class that has too little."""
        fewest, most = min(report.per_class), max(report.per_class)
        print(
            f"{report.training} labelled samples to train and {report.holdout} to examine with, "
            f"{len(report.per_class)} classes of {fewest} to {most}; {report.edge} without labels",
            file=self._stream,
            flush=True,
        )
        if most > _UNBALANCED * fewest:
            few = [number for number, count in enumerate(report.per_class) if most > _UNBALANCED * count]
            print(f"unbalanced: few samples of the classes {few}", file=self._stream, flush=True)

    def epoch(self, report: EpochReport) -> None:
        """Moves the bar."""
        bar = self._bar or tqdm(total=report.epochs, unit="epoch", file=self._stream)
        bar.set_postfix_str(f"loss {report.loss:.3f}, holdout {report.holdout_accuracy:.3f}", refresh=False)
        bar.update(report.epoch - bar.n)
        self._bar = bar


def watch_for(stream: TextIO) -> Watch:
    """The bar where `stream` is a terminal, JSON lines elsewhere."""
    return Bar(stream) if stream.isatty() else JsonLines(stream)
