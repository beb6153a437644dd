"""The words of the status: all explained, all used, all seen by a test, and the page that lists them is up to date."""

import re
from pathlib import Path

import pytest

from edgemodel_operator.api import reasons, vocabulary

REPOSITORY = Path(__file__).parents[2]
WORDS = [words for words, _ in vocabulary.TITLES]


def test_the_page_is_what_make_generate_writes() -> None:
    assert (REPOSITORY / "docs" / "status.md").read_text() == vocabulary.render()


@pytest.mark.parametrize("words", WORDS)
def test_every_word_is_explained(words: type) -> None:
    assert [value for value, text in vocabulary.meanings(words).items() if not text] == []


@pytest.mark.parametrize("words", [reasons.Reason, reasons.EventReason])
def test_every_word_is_used(words: type[reasons.Reason]) -> None:
    sources = [*(REPOSITORY / "operator" / "src").rglob("*.py"), REPOSITORY / "core/src/edgemodel/ladder.py"]
    text = "\n".join(path.read_text() for path in sources if path.name != "reasons.py")
    spelled = {word: rf'\b{words.__name__}\.{word.name}\b|"{word.value}"' for word in words}
    assert [word for word, way in spelled.items() if not re.search(way, text)] == []


@pytest.mark.parametrize("words", [reasons.Reason, reasons.EventReason])
def test_every_word_is_seen_by_a_test_of_the_operator(words: type[reasons.Reason]) -> None:
    tests = (REPOSITORY / "tests" / folder for folder in ("unit/operator", "apiserver"))
    text = "\n".join(path.read_text() for folder in tests for path in folder.glob("test_*.py"))
    assert [word.value for word in words if not re.search(rf"""["' ]{word.value}["']""", text)] == []
