"""Tables and charts as Markdown and as one HTML page that needs nothing else. Pure."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT, _MARGIN = 480, 200, 44
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
_ROWS = 12
"""Points of a chart that Markdown shows as a table."""

_STYLE = """\
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:right}
td:first-child,th:first-child{text-align:left}
svg{display:block;max-width:100%}svg text{font:11px system-ui,sans-serif}"""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    shaded: bool = False
    """Cells are counts, and the page shows by colour which are large in their row."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over the same places; all of finite numbers, and of equal length."""

    across: str
    places: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    by_magnitude: bool = False
    """The upward axis is logarithmic, where all numbers are above zero."""


Block = Text | Table | Chart
Section = tuple[str, Sequence[Block]]


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """The page for a terminal or a repository; charts become tables."""
    parts = [f"# {title}"]
    for heading, blocks in sections:
        parts += [f"## {heading}", *(_markdown(block) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def to_html(title: str, sections: Sequence[Section]) -> str:
    """The page for a browser."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for heading, blocks in sections:
        parts += [f"<h2>{html.escape(heading)}</h2>", *(_html(block) for block in blocks)]
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"<!doctype html>{meta}<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    return "\n".join([head, *parts]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Table(head, rows, _):
            lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
            return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        case Chart():
            return _markdown(_as_table(block))


def _as_table(chart: Chart) -> Table:
    step = -(-len(chart.places) // _ROWS)
    chosen = sorted({*range(0, len(chart.places), step), len(chart.places) - 1})
    rows = [[f"{chart.places[n]:g}", *(f"{line[n]:.4f}" for line in chart.lines.values())] for n in chosen]
    return Table([chart.across, *chart.lines], rows)


def _html(block: Block) -> str:
    match block:
        case Text(text):
            return f"<p>{html.escape(text)}</p>"
        case Table(head, rows, shaded):
            first = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            rest = (_counts(row) if shaded else "".join(map(_cell, row)) for row in rows)
            return f"<table><tr>{first}</tr>{''.join(f'<tr>{row}</tr>' for row in rest)}</table>"
        case Chart():
            return _svg(block)


def _cell(text: str) -> str:
    return f"<td>{html.escape(text)}</td>"


def _counts(row: Sequence[str]) -> str:
    """A name, and numbers shaded by their share of the row."""
    name, *counts = row
    total = max(1, sum(map(int, counts)))
    shades = ((count, int(count) / total) for count in counts)
    return _cell(name) + "".join(
        f'<td style="background:rgba(31,119,180,{0.6 * n:.2f})">{count}</td>' for count, n in shades
    )


def _svg(chart: Chart) -> str:
    """The lines with the range of both axes written at their ends."""
    values = [value for line in chart.lines.values() for value in line]
    low, high, left, right = min(values), max(values), chart.places[0], chart.places[-1]
    scale = math.log if chart.by_magnitude and low > 0 else float
    across = f"{chart.across} (upward: logarithmic)" if scale is math.log else chart.across
    bottom, width = _HEIGHT - _MARGIN, _WIDTH - 2 * _MARGIN
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">']
    for number, (name, line) in enumerate(chart.lines.items()):
        x = [_MARGIN + width * _share(place, left, right) for place in chart.places]
        y = [bottom - (bottom - 20) * _share(scale(value), scale(low), scale(high)) for value in line]
        points = [f"{over:.1f},{up:.1f}" for over, up in zip(x, y, strict=True)]
        if len(points) == 1:  # a line from a point to itself is a dot, a point alone is nothing
            points *= 2
        colour = _COLOURS[number % len(_COLOURS)]
        pen = f'fill="none" stroke="{colour}" stroke-width="2" stroke-linecap="round"'
        parts += [
            f'<polyline {pen} points="{" ".join(points)}"/>',
            f'<text x="{_MARGIN + 110 * number}" y="12" fill="{colour}">{html.escape(name)}</text>',
        ]
    labels = [(_MARGIN - 4, bottom, "end", f"{low:.3g}"), (_MARGIN - 4, 24, "end", f"{high:.3g}")]
    below = ((_MARGIN, 16, f"{left:.3g}"), (_WIDTH - _MARGIN, 16, f"{right:.3g}"), (_WIDTH // 2, 30, across))
    labels += [(x, bottom + down, "middle", text) for x, down, text in below]
    parts += [f'<text x="{x}" y="{y}" text-anchor="{at}">{html.escape(text)}</text>' for x, y, at, text in labels]
    return "".join([*parts, "</svg>"])


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
