"""Recorded samples from a CSV file: a `time` column and one column per metric; an empty cell is an absent sample."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

from edgemodel.faults import Metric
from edgemodel_cli.errors import BadInput

TIME = "time"
METRICS: tuple[str, ...] = get_args(Metric)

Moment = int | float | str
"""A time as the file gives it: a number of seconds, or RFC 3339 text."""


@dataclass(frozen=True, slots=True)
class Row:
    """The samples of one moment; `at` are seconds on the recording's own clock."""

    time: Moment
    at: float
    samples: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded, in order of time."""

    metrics: tuple[str, ...]
    rows: tuple[Row, ...]


def read_recording(path: Path) -> Recording:
    """Read a CSV file.

    Raises:
        BadInput: names the line and the column of the first cell that is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _parse(path.name, csv.reader(stream, strict=True))
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name}: not a CSV file: {error}") from error


def _parse(name: str, lines: Iterable[list[str]]) -> Recording:
    numbered = ((number, line) for number, line in _numbered(lines) if line)
    _, header = next(numbered, (1, []))
    header = [column.strip() for column in header]
    _check_header(name, header)
    rows: list[Row] = []
    for number, line in numbered:
        row = _row(f"{name}: line {number}", header, line)
        if rows and row.at <= rows[-1].at:
            raise BadInput(f"{name}: line {number}, column {TIME!r}: {row.time} does not come after {rows[-1].time}")
        if rows and isinstance(row.time, str) is not isinstance(rows[-1].time, str):
            raise BadInput(f"{name}: line {number}, column {TIME!r}: want what line {number - 1} has, got {row.time}")
        rows.append(row)
    return Recording(tuple(column for column in header if column != TIME), tuple(rows))


def _numbered(lines: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for index, line in enumerate(lines, 1):
        yield getattr(lines, "line_num", index), line


def _check_header(name: str, header: list[str]) -> None:
    if TIME not in header:
        raise BadInput(f"{name}: line 1: want a column {TIME!r}, got {', '.join(header) or 'nothing'}")
    for column in header:
        if column not in (TIME, *METRICS):
            raise BadInput(f"{name}: line 1, column {column!r}: not a metric; want some of {', '.join(METRICS)}")
        if header.count(column) > 1:
            raise BadInput(f"{name}: line 1, column {column!r}: is there twice")


def _row(where: str, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise BadInput(f"{where}: want {len(header)} cells, got {len(cells)}")
    named = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    time, at = _moment(where, named.pop(TIME))
    samples = {metric: _number(f"{where}, column {metric!r}", cell) for metric, cell in named.items()}
    return Row(time, at, samples)


def _number(where: str, cell: str) -> float | None:
    if not cell:
        return None
    number = _float(cell)
    if number is None:
        raise BadInput(f"{where}: want a number or nothing, got {cell!r}")
    return number


def _moment(where: str, cell: str) -> tuple[Moment, float]:
    number = _float(cell)
    if number is not None and number - number == 0:  # neither infinite nor NaN
        return (int(cell) if cell.lstrip("+-").isdecimal() else number), number
    try:
        return cell, datetime.fromisoformat(cell).timestamp()
    except ValueError:
        wanted = "want seconds or a moment such as 2026-01-01T12:00:00Z"
        raise BadInput(f"{where}, column {TIME!r}: {wanted}, got {cell!r}") from None


def _float(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
