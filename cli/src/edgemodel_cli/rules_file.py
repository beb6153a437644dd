"""Fault rules and healing strategies from a YAML file: an EdgeModel, or a bare ``rules:`` list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from edgemodel.alerting import INTERVAL
from edgemodel.document import Document, describe
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType, Limits
from edgemodel_cli.errors import BadInput

D = TypeVar("D", bound=Document)

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Action(Document):
    """One rung; what else it says matters to nodes only."""

    type: ActionType


class Strategy(Document):
    """What is done about which faults, in order."""

    faults: tuple[str, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Fault rules and what is done about them; `name` is empty where the file does not say of which EdgeModel."""

    rules: tuple[Rule, ...]
    strategies: tuple[Strategy, ...]
    limits: Limits
    namespace: str = ""
    name: str = ""
    interval: float = INTERVAL

    def actions(self, fault: str) -> list[ActionType]:
        """The ladder of the first strategy that names `fault`; empty: none does."""
        found = next((strategy for strategy in self.strategies if fault in strategy.faults), None)
        return [] if found is None else [action.type for action in found.actions]


def read_rules(path: Path) -> Rules:
    """Read a rules file.

    Raises:
        BadInput: names each field that is wrong.
    """
    try:
        documents = [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if d is not None]
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
    chosen = next((d for d in documents if isinstance(d, Mapping) and d.get("kind") == "EdgeModel"), None)
    document = chosen if chosen is not None else documents[0] if documents else {}
    try:
        return _parse(document)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from error


def _parse(document: Any) -> Rules:
    if isinstance(document, Mapping) and "spec" in document:
        spec = _mapping(document["spec"], "spec")
        health, where = _mapping(spec.get("health", {}), "spec.health"), "spec.health.rules"
        healing, beside = _mapping(spec.get("healing", {}), "spec.healing"), "spec.healing"
    else:
        health, where = {"rules": document} if isinstance(document, list) else _mapping(document, "document"), "rules"
        healing, beside = _mapping(health.get("healing", {}), "healing"), "healing"
    rules = [_rule(f"{where}[{i}]", entry) for i, entry in enumerate(_list(health.get("rules"), where))]
    if not rules:
        raise BadInput(f"{where}: want at least one rule")
    for rule in rules:
        if [other.name for other in rules].count(rule.name) > 1:
            raise BadInput(f"{where}: want names of their own, got {rule.name!r} twice")
    entries = _list(healing.get("strategies", []), f"{beside}.strategies")
    strategies = [_read(Strategy, entry, f"{beside}.strategies[{i}]") for i, entry in enumerate(entries)]
    metadata = _mapping(document.get("metadata", {}), "metadata") if isinstance(document, Mapping) else {}
    name = str(metadata.get("name", ""))
    return Rules(
        tuple(rules),
        tuple(strategies),
        _limits(healing, beside),
        namespace=str(metadata.get("namespace", "default")) if name else "",
        name=name,
        interval=_seconds(health.get("interval", 10.0 if name else INTERVAL), where.replace("rules", "interval")),
    )


def _rule(where: str, entry: Any) -> Rule:
    known = {field.alias or name for name, field in Rule.model_fields.items()}
    for field in _mapping(entry, where):
        if field not in known:
            raise BadInput(f"{where}.{field}: no such field; want some of {', '.join(sorted(known))}")
    return _read(Rule, entry, where)


def _read(document: type[D], entry: Any, where: str) -> D:
    try:
        return document.model_validate(entry)
    except ValidationError as error:
        raise BadInput(describe(error, where)) from error


def _limits(healing: Mapping[str, Any], where: str) -> Limits:
    usual = Limits()
    return Limits(
        settle=_seconds(healing.get("settle", usual.settle), f"{where}.settle"),
        cooldown=_seconds(healing.get("cooldown", usual.cooldown), f"{where}.cooldown"),
        min_samples=_count(healing.get("minSamples", usual.min_samples), f"{where}.minSamples"),
        max_per_hour=_count(healing.get("maxPerHour", usual.max_per_hour), f"{where}.maxPerHour"),
    )


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if not isinstance(value, str) or not re.fullmatch(r"(\d+(h|ms|m|s))+", value):
        raise BadInput(f"{where}: want a duration such as 10s or 2m30s, got {value!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(h|ms|m|s)", value))


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadInput(f"{where}: want a whole number of at least 1, got {value!r}")
    return value


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: want fields, got {value!r:.80}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadInput(f"{where}: want a list, got {value!r:.80}")
    return value
