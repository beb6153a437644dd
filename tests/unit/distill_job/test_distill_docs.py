"""docs/distillation.md knows every field, code and student that there is."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from edgemodel.distillation import Augment, Compress, GateSettings, Method
from edgemodel_distill import errors, local
from edgemodel_distill.zoo import ZOO

PAGE = (Path(__file__).parents[3] / "docs" / "distillation.md").read_text(encoding="utf-8")


def fields(document: type[BaseModel]) -> list[str]:
    """As they are written in YAML."""
    return [field.alias or name for name, field in document.model_fields.items()]


def test_the_first_file_that_it_shows_is_valid(tmp_path: Path) -> None:
    (tmp_path / "distill.yaml").write_text(PAGE.partition("```yaml\n")[2].partition("```")[0])
    assert local.read(tmp_path / "distill.yaml")[0].compress.quantize == "Static"


@pytest.mark.parametrize(
    "word",
    [
        *(field for document in (local.Wanted, GateSettings, Method) for field in fields(document)),
        *(error.__name__ for error in errors.DistillError.__subclasses__()),
        *ZOO,
    ],
)
def test_there_is_a_word_about_each(word: str) -> None:
    assert f"`{word}`" in PAGE


@pytest.mark.parametrize("word", [*fields(Augment), *fields(Compress)])
def test_what_lies_deeper_is_named_with_a_value(word: str) -> None:
    assert f"`{word}" in PAGE
