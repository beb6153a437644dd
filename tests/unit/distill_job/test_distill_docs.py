"""docs/distillation.md knows every field, code and student that there is."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from edgemodel.distillation import Augment, Compress, GateSettings, Method
from edgemodel_distill import errors, local, students
from edgemodel_distill.prune import multiplications, prune
from edgemodel_distill.zoo import ZOO

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "distillation.md").read_text(encoding="utf-8")


def block(language: str, first: str) -> str:
    """The code block that begins so."""
    return first + PAGE.partition(f"```{language}\n{first}")[2].partition("```")[0]


def fields(document: type[BaseModel]) -> list[str]:
    """As they are written in YAML."""
    return [field.alias or name for name, field in document.model_fields.items()]


def test_the_first_file_that_it_shows_is_valid(tmp_path: Path) -> None:
    (tmp_path / "distill.yaml").write_text(PAGE.partition("```yaml\n")[2].partition("```")[0])
    assert local.read(tmp_path / "distill.yaml")[0].compress.quantize == "Static"


def test_the_student_that_it_shows_trains_and_is_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_nets.py").write_text(block("python", "# my_nets.py"))
    monkeypatch.syspath_prepend(tmp_path)
    student = students.build("my_nets:my_net", 16, (3, 20, 20), 5)
    assert multiplications(prune(student, 0.3, (3, 20, 20)), (3, 20, 20)) < multiplications(student, (3, 20, 20))


def test_the_derived_image_that_it_shows_copies_to_a_folder_on_the_images_path() -> None:
    (to,) = re.findall(r"^COPY .* my_nets\.py (\S+)/$", block("dockerfile", "FROM"), re.MULTILINE)
    image = (ROOT / "distill_job" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"PYTHONPATH=(\S+)", image)[1] == to


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
