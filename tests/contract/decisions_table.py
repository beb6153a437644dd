"""Writes docs/decisions-table.md: every check in order, the words that it gives, and the tests that show it.

``python -m tests.contract.decisions_table``. A test shows a check where ``pytest.mark.shows("module.name")`` says so.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from edgemodel import ladder
from edgemodel_operator import decide
from edgemodel_operator.api.reasons import EventReason, Reason
from edgemodel_operator.api.states import Blame, Regression, RolloutWait, VersionState
from edgemodel_operator.decide import (
    blame,
    findings,
    findings_healing,
    findings_nodes,
    findings_people,
    guard,
    heal,
    step,
)

REPOSITORY = Path(__file__).parents[2]
TESTS = REPOSITORY / "tests" / "unit"
HEAD = """# What is decided, in order

Generated from the code and the tests by `make generate`. A decision is a chain of small checks over one frozen
observation; the first that has a verdict wins and says why. What a check may say (events in the first table, then
blame, waits and states of a rollout, steps of the ladder, reasons of conditions) is in the order of its code; the words
are those of [status.md](status.md).
"""

FOLLOWED = ("edgemodel_operator.decide", "edgemodel.ladder")

Check = Callable[..., Any]
Vocabulary = tuple[type[StrEnum], ...]
SECTIONS: tuple[tuple[str, Vocabulary, tuple[Check, ...]], ...] = (
    ("Every tick, one step after the other (`decide.STEPS`)", (EventReason,), decide.STEPS),
    ("Whose fault a fault is (`blame.CHECKS`): the first that knows", (Blame,), blame.CHECKS),
    (
        "One step of a rollout (`step.CHECKS`): the first that has a verdict, else it passed",
        (RolloutWait, Regression, VersionState),
        step.CHECKS,
    ),
    (
        "The ladder of a fault, and what holds it",
        (Reason, ladder.Verdict),
        (guard.storming, guard.too_few_serve, guard.turns, heal.next_for, ladder._climb, ladder._prove),
    ),
    (
        "What the conditions say",
        (Reason,),
        (
            findings_nodes.ready,
            findings_nodes.reconciling,
            findings.stalled,
            findings.degraded,
            findings_healing.healing,
            findings.distilling,
            findings.rolling_out,
            findings_people.awaiting_approval,
            findings_nodes.telemetry,
            findings_people.paused,
        ),
    ),
)


def render() -> str:
    """The whole page."""
    shown = tests_by_check()
    return "\n".join([HEAD, *(_table(title, words, checks, shown) for title, words, checks in SECTIONS)])


def name_of(check: Check) -> str:
    """As tests name it: the last part of its module, and its own name."""
    return f"{check.__module__.rpartition('.')[2]}.{check.__name__}"


def checks() -> Iterator[Check]:
    """All of them."""
    for _, _, found in SECTIONS:
        yield from found


def said() -> set[str]:
    """Every word that some check may say."""
    return {word for _, words, found in SECTIONS for check in found for word in words_of(check, words)}


@cache
def tests_by_check() -> dict[str, list[str]]:
    """Names of the tests that show each check, by the check's name."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _shown(node):
                    found.setdefault(name, []).append(node.name)
    return found


def words_of(check: Check, vocabulary: Vocabulary) -> list[str]:
    """The words of `vocabulary` that it, or what it calls, can give, in the order of the code."""
    return list(dict.fromkeys(_said(check, vocabulary, set())))


def _shown(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
            yield from (str(ast.literal_eval(argument)) for argument in mark.args)


def _said(function: Check, vocabulary: Vocabulary, seen: set[Check]) -> Iterator[str]:
    """Follows calls within the decisions and the ladder; each function counts once."""
    module = inspect.getmodule(function)
    if function in seen or module is None:
        return
    seen.add(function)
    (definition,) = ast.parse(inspect.getsource(function)).body
    assert isinstance(definition, ast.FunctionDef)
    for statement in definition.body:
        yield from _given(statement, module, vocabulary, seen)


def _given(node: ast.AST, module: ModuleType, vocabulary: Vocabulary, seen: set[Check]) -> Iterator[str]:
    found: object = None
    match node:
        case ast.Compare() | ast.pattern():  # what is only asked for is not said
            return
        case ast.Constant(value=str(word)):
            yield from (word for words in vocabulary if word in set(words))
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            found = getattr(getattr(module, owner, None), attribute, None)
        case ast.Name(id=name):
            found = getattr(module, name, None)
    if isinstance(found, vocabulary):
        yield found.value
    elif isinstance(found, Mapping):
        yield from (value.value for value in found.values() if isinstance(value, vocabulary))
    elif inspect.isfunction(found) and found.__module__.startswith(FOLLOWED):
        yield from _said(found, vocabulary, seen)
    for child in ast.iter_child_nodes(node):
        yield from _given(child, module, vocabulary, seen)


def _table(title: str, vocabulary: Vocabulary, found: Iterable[Check], shown: dict[str, list[str]]) -> str:
    rows = []
    for number, check in enumerate(found, 1):
        text = re.sub(r"\s+", " ", (inspect.getdoc(check) or "").split("\n\n")[0])
        words = ", ".join(f"`{word}`" for word in words_of(check, vocabulary))
        tests = "<br>".join(f"`{test}`" for test in shown.get(name_of(check), []))
        rows.append(f"| {number} | `{name_of(check)}` | {text} | {words} | {tests} |")
    head = ["| | check | what it asks or does | what it may say | shown by |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"## {title}", "", *head, *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(render())
