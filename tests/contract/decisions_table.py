"""Writes docs/decisions-table.md: every check in order, its words, and the tests that show it.

``python -m tests.contract.decisions_table``. A test shows a check where ``pytest.mark.shows("module.name")`` says so.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from edgemodel import ladder
from edgemodel_operator import decide
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
observation; the first that has a verdict wins and says why. The words are those of [status.md](status.md).
"""

Check = Callable[..., Any]
SECTIONS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("Every tick, one step after the other (`decide.STEPS`)", decide.STEPS),
    ("Whose fault a fault is (`blame.CHECKS`): the first that knows", blame.CHECKS),
    ("One step of a rollout (`step.CHECKS`): the first that has a verdict, else it passed", step.CHECKS),
    (
        "The ladder of a fault, and what holds it",
        (guard.storming, guard.too_few_serve, guard.turns, heal.next_for, ladder._climb, ladder._prove),
    ),
    (
        "What the conditions say",
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
    return "\n".join([HEAD, *(_table(title, checks, shown) for title, checks in SECTIONS)])


def name_of(check: Check) -> str:
    """As tests name it: the last part of its module, and its own name."""
    return f"{check.__module__.rpartition('.')[2]}.{check.__name__}"


def checks() -> Iterator[Check]:
    """All of them."""
    for _, found in SECTIONS:
        yield from found


def tests_by_check() -> dict[str, list[str]]:
    """Names of the tests that show each check, by the check's name."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _shown(node):
                    found.setdefault(name, []).append(node.name)
    return found


def words_of(check: Check) -> list[str]:
    """The words that it, or what it calls in its own module, can give: reasons, events, blame, verdicts."""
    module = inspect.getmodule(check)
    assert module is not None
    return list(dict.fromkeys(_words(module, check, set())))


def _shown(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
            yield from (str(ast.literal_eval(argument)) for argument in mark.args)


def _words(module: ModuleType, function: Check, seen: set[str]) -> Iterator[str]:
    seen.add(function.__name__)
    for node in ast.walk(ast.parse(inspect.getsource(function))):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                words = getattr(module, owner, None)
                if isinstance(words, type) and issubclass(words, StrEnum) and attribute in words.__members__:
                    yield words[attribute].value
            case ast.Call(func=ast.Name(id="Wait" | "Hold"), args=[*_, ast.Constant(value=str(word))]):
                yield word
            case ast.Name(id=called) if called not in seen:
                inner = getattr(module, called, None)
                if inspect.isfunction(inner) and inner.__module__ == module.__name__:
                    yield from _words(module, inner, seen)


def _table(title: str, found: Iterable[Check], shown: dict[str, list[str]]) -> str:
    rows = []
    for number, check in enumerate(found, 1):
        text = re.sub(r"\s+", " ", (inspect.getdoc(check) or "").split("\n\n")[0])
        words = ", ".join(f"`{word}`" for word in words_of(check))
        tests = "<br>".join(f"`{test}`" for test in shown.get(name_of(check), []))
        rows.append(f"| {number} | `{name_of(check)}` | {text} | {words} | {tests} |")
    head = ["| | check | what it asks or does | words | shown by |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([f"## {title}", "", *head, *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(render())
