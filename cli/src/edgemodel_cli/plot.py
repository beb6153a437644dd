"""A rehearsal as a picture: each metric over time, thresholds, firings. Wants matplotlib, which is an extra."""

import io
from datetime import datetime

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
        for rule in rules.rules:
            if rule.metric == metric and rule.operator in COMPARISONS:
                axes.axhline(rule.threshold, linestyle="--", linewidth=0.8, color="tab:gray")
        for fired in rehearsal.firings:
            if fired.firing.metric == metric:
                axes.axvline(_place(fired.time), color="tab:red", linewidth=1)
                axes.annotate(
                    f"{fired.firing.rule}\n{fired.ladder}",
                    (_place(fired.time), 1),
                    xycoords=("data", "axes fraction"),
                    fontsize=7,
                    rotation=90,
                    va="top",
                    ha="right",
                )
    grid[-1][0].set_xlabel("time")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()


def _place(time: Moment) -> float | datetime:
    return datetime.fromisoformat(time) if isinstance(time, str) else float(time)
