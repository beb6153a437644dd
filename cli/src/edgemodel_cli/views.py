"""EdgeModels as tables and trees for people. Pure: what is shown depends on the objects and the clock given."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from edgemodel_cli.comparison import compared
from edgemodel_cli.seen import Body, Seen, age, printable, text
from edgemodel_cli.timeline import Happening

ICON = {"True": "yes", "False": "no"}
SHORT = 19
"""Characters of a digest that are shown."""


def overview(models: Sequence[Seen], now: datetime, *, namespaces: bool = False) -> Table:
    """One line for each EdgeModel."""
    table = _table("NAME", "READY", "VERSION", "NODES", "FAULT", "REASON", "AGE")
    for model in models:
        found = model.condition("Ready")
        faults = model.items("faults")
        table.add_row(
            f"{model.namespace}/{model.name}" if namespaces else model.name,
            "unknown" if found is None else ICON.get(found.status, "unknown"),
            text(model.status, "version", "–"),
            _nodes(model),
            text(faults[0], "name") + (f" +{len(faults) - 1}" if len(faults) > 1 else "") if faults else "–",
            "Paused" if model.paused else "NotObserved" if found is None else found.reason,
            age(model.created, now),
        )
    return table


def details(model: Seen, now: datetime) -> Iterator[Table | Text]:
    """One EdgeModel: what serves, and every condition."""
    about = Table.grid(padding=(0, 2))
    rollout, wished = model.part("rollout"), text(model.spec, "version")
    serves = text(model.status, "version", "nothing")
    about.add_row("serves", serves + ("" if serves == wished else f"  (wished: {wished})"))
    about.add_row("digest", text(model.status, "digest", "–")[:SHORT])
    about.add_row("last good", text(model.status, "lastGood", "–"))
    about.add_row("nodes", _nodes(model) + _unknown(model))
    if rollout:
        about.add_row("rollout", f"{text(rollout, 'to')}, step {int(rollout.get('step', 0)) + 1}, {_waits(rollout)}")
    for what, figure in compared(rollout.get("comparison") or {}):
        about.add_row(f"  {what}", figure)
    for waiting in model.waiting:
        about.add_row("asks you", text(waiting, "message"))
        about.add_row("", f"edgemodel approve {model.name} {text(waiting, 'subject')} -n {model.namespace} (or reject)")
    yield about
    yield Text()
    table = _table("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE")
    for found in model.conditions:
        table.add_row(found.type, found.status, found.reason, age(found.since, now), found.message)
    yield table


def tree(model: Seen, now: datetime) -> Tree:
    """One EdgeModel with its versions, nodes that differ, faults, rollout and distillation."""
    root = _tree(f"{model.namespace}/{model.name}: {text(model.status, 'version', 'nothing')} serves")
    versions = root.add("versions")
    for version in model.items("versions"):
        versions.add(_version(version, model, now))
    nodes = root.add(f"nodes {_nodes(model)}{_unknown(model)}")
    for exception in model.part("nodes").get("exceptions", ()):
        nodes.add(f"{text(exception, 'name')}: {text(exception, 'version', 'nothing')} ({text(exception, 'reason')})")
    for fault in model.items("faults"):
        root.add(f"fault {text(fault, 'name')} on {_names(fault)}: {text(fault, 'blame')} is blamed")
    rollout, distillation = model.part("rollout"), model.part("distillation")
    if rollout:
        step = root.add(f"rollout of {text(rollout, 'to')}, step {int(rollout.get('step', 0)) + 1}: {_waits(rollout)}")
        for node in rollout.get("nodes", ()):
            step.add(printable(str(node)))
    if distillation:
        root.add(f"distillation of {text(distillation, 'candidate')}: {_distillation(distillation)}")
    return root


def branches(model: Seen) -> dict[str, Any]:
    """What `tree` shows, for programs."""
    parts: dict[str, Any] = {field: model.items(field) for field in ("versions", "faults", "approvals")}
    parts |= {field: model.part(field) for field in ("nodes", "rollout", "distillation") if model.part(field)}
    names = {"namespace": model.namespace, "name": model.name, "wished": model.spec.get("version")}
    return names | {"serving": model.status.get("version"), "lastGood": model.status.get("lastGood")} | parts


def history(happenings: Sequence[Happening]) -> Table:
    """What happened, for people."""
    table = _table("AT", "WHAT", "DETAIL", "RESULT")
    for found in happenings:
        result = f"{found.result} in {found.took}" if found.took else found.result
        table.add_row(found.at[:19], found.what, found.detail, result)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("AT", "AGE"))  # a time is read as one word
    return table


def _tree(label: str) -> Tree:
    return Tree(label, guide_style="")


def _version(version: Body, model: Seen, now: datetime) -> str:
    reason = text(version, "reason")
    line = f"{text(version, 'name')}  {text(version, 'state')}" + (f" ({reason})" if reason else "")
    notes = [f"for {age(text(version, 'since'), now)}" if version.get("since") else "", text(version, "digest")[:SHORT]]
    if version.get("name") == model.status.get("lastGood"):
        notes.append("last good")
    if version.get("name") == model.spec.get("version"):
        notes.append("wished")
    if version.get("origin") == "Distilled":
        notes.append("distilled here")
    return "  ".join(note for note in (line, *notes) if note)


def _nodes(model: Seen) -> str:
    return text(model.part("nodes"), "summary", "–")


def _unknown(model: Seen) -> str:
    unknown = int(model.part("nodes").get("unknown", 0))
    return f", {unknown} out of sight" if unknown else ""


def _waits(rollout: Body) -> str:
    return text(rollout, "reason", "starting")


def _names(fault: Body) -> str:
    return printable(", ".join(map(str, fault.get("nodes", ()))))


def _distillation(distillation: Body) -> str:
    said = text(distillation, "message") or text(distillation, "job")
    done = f" ({text(distillation, 'percent', '0')} %)" if text(distillation, "phase") == "Running" else ""
    return text(distillation, "phase") + done + (f", {said}" if said else "")
