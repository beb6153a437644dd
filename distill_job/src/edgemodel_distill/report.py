"""What people should know of a student: a report that lies in its bundle.

Nothing in it is a time: equal runs give equal bytes, and so equal digests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from edgemodel.bundle import DRIFT, REPORT_HTML, REPORT_MARKDOWN, Card
from edgemodel.outcome import Choice, Gate, figure
from edgemodel_distill.data import Floats, Labels
from edgemodel_distill.drift import LARGE_PSI, Drift
from edgemodel_distill.page import Block, Chart, Section, Table, Text, to_html, to_markdown
from edgemodel_distill.progress import DataReport, EpochReport

_TIMED = frozenset({"maxLatencyRatio"})
"""Gates whose figure is a time."""

_MOST_CLASSES = 40
"""With more classes a confusion matrix is unreadable, and only the worst confusions are told."""
_WORST = 20


@dataclass(frozen=True, slots=True)
class Story:
    """All that a report tells."""

    card: Card
    data: DataReport
    epochs: Sequence[EpochReport]
    gates: Sequence[Gate]
    choice: Sequence[Choice]
    confusion: Sequence[Sequence[int]]
    """Rows: the label; columns: the student's answer; on the holdout."""
    drift: Drift | None


def files(story: Story) -> Mapping[str, bytes]:
    """The report's files by their names in the bundle."""
    title = f"{story.card.name}: {story.card.description}"
    sections = _sections(story)
    told = {REPORT_MARKDOWN: to_markdown(title, sections), REPORT_HTML: to_html(title, sections)}
    if story.drift is not None:
        told[DRIFT] = story.drift.dump()
    return {name: text.encode() for name, text in told.items()}


def confusion(logits: Floats, labels: Labels) -> list[list[int]]:
    """How often each label (row) got each answer (column)."""
    classes = logits.shape[1]
    pairs = labels * classes + logits.argmax(axis=1)
    counted: list[list[int]] = np.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()
    return counted


def _sections(story: Story) -> list[Section]:
    sections: list[Section] = [("Gates", [_verdict_of(story.gates), _gates(story.gates)])]
    if story.choice:
        sections.append(("Forms", [_forms(story.choice)]))
    sections += [("Training", _training(story.epochs)), ("Holdout", _confusions(story)), ("Data", _data(story))]
    if story.drift is not None:
        sections.append(("Drift", _drift(story.drift, _names(story.card, len(story.drift.classes_edge)))))
    return [*sections, ("Lineage", [_lineage(story.card)])]


def _gates(gates: Sequence[Gate]) -> Table:
    got = {gate.name: "not told: a time" if gate.name in _TIMED else figure(gate.got) for gate in gates}
    return Table(["gate", "want", "got", ""], [[g.name, figure(g.want), got[g.name], _verdict(g)] for g in gates])


def _verdict_of(gates: Sequence[Gate]) -> Text:
    failed = [gate.name for gate in gates if not gate.passed]
    return Text(f"Refused by {', '.join(failed)}: not shipped." if failed else "Accepted: every gate let it pass.")


def _verdict(gate: Gate) -> str:
    return "passed" if gate.passed else "FAILED"


def _forms(choice: Sequence[Choice]) -> Table:
    rows = [
        [c.name, f"{c.size:,}", f"{c.macs:,}", f"{c.accuracy:.4f}", f"ships: {c.reason}" if c.ships else c.reason]
        for c in choice
    ]
    return Table(["form", "bytes", "multiplications", "accuracy", "ships, or why not"], rows)


def _training(epochs: Sequence[EpochReport]) -> list[Block]:
    places = [float(epoch.epoch) for epoch in epochs]
    losses = {"loss": [e.loss for e in epochs], "soft": [e.soft_loss for e in epochs]}
    scores = {"holdout accuracy": [e.holdout_accuracy for e in epochs]}
    agreements = [e.edge_agreement for e in epochs if e.edge_agreement is not None]
    if len(agreements) == len(epochs):
        scores["agreement at the edge"] = agreements
    losses |= {"hard": [e.hard_loss for e in epochs]}
    # The first epochs' losses are a hundred times the last ones', and it is the last ones that matter.
    return [Chart("epoch", places, losses, by_magnitude=True), Chart("epoch", places, scores)]


def _confusions(story: Story) -> list[Block]:
    names = _names(story.card, len(story.confusion))
    if len(names) <= _MOST_CLASSES:
        rows = [[name, *map(str, row)] for name, row in zip(names, story.confusion, strict=True)]
        return [Text("Rows: the label; columns: the student's answer."), Table(["", *names], rows, shaded=True)]
    wrong = [(n, label, answer) for label, row in enumerate(story.confusion) for answer, n in enumerate(row)]
    worst = sorted((each for each in wrong if each[1] != each[2] and each[0]), reverse=True)[:_WORST]
    return [Table(["label", "answer", "times"], [[names[label], names[answer], str(n)] for n, label, answer in worst])]


def _data(story: Story) -> list[Block]:
    data, names = story.data, _names(story.card, len(story.data.per_class))
    told = (
        f"{data.training} labelled samples to train with, {data.holdout} to examine with, {data.edge} without labels; "
        f"{data.repeated} repeated ones were left out."
    )
    shares = [n / max(1, sum(data.per_class)) for n in data.per_class]
    rows = [[name, str(n), f"{share:.1%}"] for name, n, share in zip(names, data.per_class, shares, strict=True)]
    return [Text(told), Table(["class", "labelled samples", "share"], rows)]


def _drift(drift: Drift, names: Sequence[str]) -> list[Block]:
    head = Text(
        f"{drift.samples} samples of the edge against the training set. A PSI from {LARGE_PSI:g} on is a large change."
    )
    blocks: list[Block] = [
        head,
        Table(["figure", "PSI", "KS"], [[name, f"{c.psi:.3f}", f"{c.ks:.3f}"] for name, c in drift.figures.items()]),
    ]
    for name, compared in drift.figures.items():
        lines = {"training": compared.training, "edge": compared.edge}
        middles = [(low + high) / 2 for low, high in pairwise(compared.edges)]
        blocks.append(Chart(name, middles, lines))
    sure = ["" if value is None else f"{value:.3f}" for value in drift.confidence_per_class]
    columns = zip(names, drift.classes_training, drift.classes_edge, sure, strict=True)
    rows = [[name, f"{one:.1%}", f"{other:.1%}", confidence] for name, one, other, confidence in columns]
    return [*blocks, Table(["teacher's answer", "training", "edge", "confidence at the edge"], rows)]


def _lineage(card: Card) -> Table:
    lineage = card.lineage
    named = {"teacher": lineage.teacher, "data set": lineage.dataset, "parent": lineage.parent}
    rows = [[name, digest or "none"] for name, digest in named.items()]
    rows += [["samples", digest] for digest in lineage.samples]
    rows += _flat(lineage.config or {})
    return Table(["", "value"], [*rows, ["code", lineage.code_version or ""]])


def _flat(config: Mapping[str, Any], above: str = "") -> list[list[str]]:
    rows: list[list[str]] = []
    for name, value in config.items():
        rows += _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else [[f"{above}{name}", f"{value}"]]
    return rows


def _names(card: Card, count: int) -> list[str]:
    return list(card.labels) if len(card.labels) == count else [str(number) for number in range(count)]
