"""Writes docs/status.md from the words in `reasons` and `states`: ``python -m edgemodel_operator.api.vocabulary``."""

import ast
import inspect
import sys
from enum import StrEnum

from edgemodel.codes import CODES
from edgemodel.verbs import Verb
from edgemodel_operator.api import reasons, states

HEAD = """# What the status says

Generated from `reasons.py` and `states.py` of `operator/src/edgemodel_operator/api/` and from
`core/src/edgemodel/codes.py` by `make generate`.
Each word means one thing.
"""

TITLES: tuple[tuple[type[StrEnum], str], ...] = (
    (reasons.ConditionType, "Conditions (`status.conditions[].type`)"),
    (reasons.Reason, "Reasons of conditions"),
    (reasons.EventReason, "Reasons of events"),
    (states.VersionState, "States of versions"),
    (states.Blame, "Blame (`status.faults[].blame`)"),
    (states.RolloutWait, "What a rollout waits for (`status.rollout.reason`)"),
    (states.Regression, "Why a comparison took a version back (`status.versions[].reason`)"),
    (states.DistillationPhase, "Phases of a distillation"),
    (Verb, "What people may ask for (annotations `edgemodel.dev/…`)"),
    (states.Gate, "What waits for a person (`status.approvals[].gate`)"),
    (states.VerbResult, "Answers (`status.verbs[].result`)"),
)


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_table(words, title) for words, title in TITLES), _codes()])


def meanings(words: type[StrEnum]) -> dict[str, str]:
    """Each value with the text that stands under it in the source (empty: none)."""
    definition = ast.parse(inspect.getsource(words)).body[0]
    found = {word.value: "" for word in words}
    last = ""
    for statement in getattr(definition, "body", []):
        match statement:
            case ast.Assign(value=ast.Constant(value=str(value))):
                last = value
            case ast.Expr(value=ast.Constant(value=str(text))) if last:
                found[last] = " ".join(text.split())
            case _:
                last = ""
    return found


def _table(words: type[StrEnum], title: str) -> str:
    rows = (f"| `{value}` | {text} |" for value, text in meanings(words).items())
    return "\n".join([f"## {title}", "", "| word | meaning |", "| --- | --- |", *rows, ""])


def _codes() -> str:
    rows = (f"| `{code}` | {words.meaning} | {words.remedy or 'wait'} |" for code, words in CODES.items())
    head = "## Why a node does not serve an artifact (in messages, and as `reason` in metrics)"
    return "\n".join([head, "", "| code | meaning | what to do |", "| --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(render())
