"""A rehearsal as a picture: each metric over time, thresholds, firings. Wants matplotlib, which is an extra."""

import io
from datetime import datetime
from typing import Any

from edgemodel_cli.errors import BadInput
from edgemodel_cli.recording import Moment, Recording
from edgemodel_cli.rehearsal import Rehearsal
from edgemodel_cli.rules_file import Rules

COMPARISONS = (">", ">=", "<", "<=")


def draw(rules: Rules, recording: Recording, rehearsal: Rehearsal) -> bytes:
    """A PNG image with one plot for each metric that a rule looks at or that was recorded.

    Raises:
        BadInput: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise BadInput("-o png wants matplotlib: pip install 'edgemodel-cli[plot]'") from error
    if not recording.metrics:
        raise BadInput("-o png: there is no column to draw")
    figure = Figure(figsize=(10, 2.6 * len(recording.metrics)), layout="constrained")
    grid = figure.subplots(len(recording.metrics), 1, sharex=True, squeeze=False)
    times = [_place(row.time) for row in recording.rows]
    for (axes,), metric in zip(grid, recording.metrics, strict=True):
        values = [row.samples[metric] for row in recording.rows]
        axes.plot(times, [float("nan") if value is None else value for value in values], linewidth=1, color="tab:blue")
        axes.set_ylabel(metric)
        for rule in (rule for rule in rules.rules if rule.metric == metric):
            if rule.operator in COMPARISONS:
                axes.axhline(rule.threshold, linestyle="--", linewidth=0.8, color="tab:gray")
            _draw_rule(axes, rule.name, recording, rehearsal)
    grid[-1][0].set_xlabel("time")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()


def _draw_rule(axes: Any, rule: str, recording: Recording, rehearsal: Rehearsal) -> None:
    """A dot on the curve where the rule fires, and a line where the ladder acts."""
    fired = {firing.time: firing.firing for firing in rehearsal.firings if firing.firing.rule == rule}
    dots = [(_place(row.time), row.samples[fired[row.time].metric]) for row in recording.rows if row.time in fired]
    if dots:
        axes.plot(*zip(*dots, strict=True), "o", markersize=4, color="tab:red", label=f"{rule} fires")
        axes.legend(loc="lower left", fontsize=7)
    for time, label in _acts(rehearsal, rule):
        axes.axvline(_place(time), color="tab:orange", linewidth=1)
        where = {"xycoords": ("data", "axes fraction"), "xytext": (2, -2), "textcoords": "offset points"}
        axes.annotate(label, (_place(time), 1), **where, fontsize=7, rotation=90, va="top", ha="left")


def _acts(rehearsal: Rehearsal, rule: str) -> list[tuple[Moment, str]]:
    """What the ladder does about one fault, each action with its verdict once there is one."""
    acts: list[tuple[Moment, str]] = []
    for rung in rehearsal.rungs:
        action, _, verdict = rung.step.partition(": ")
        if rung.fault != rule or action in ("waits", "holds") or action.startswith("waits "):
            continue
        if verdict and acts:
            acts[-1] = (acts[-1][0], rung.step)
        else:
            acts.append((rung.time, action))
    return acts


def _place(time: Moment) -> float | datetime:
    return datetime.fromisoformat(time) if isinstance(time, str) else float(time)
