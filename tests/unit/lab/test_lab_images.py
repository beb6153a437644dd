"""An image's tag follows its inputs and nothing else."""

from pathlib import Path

import pytest

from lab import container_images
from lab.buildah import debian_mirror
from lab.container_images import Image
from lab.errors import LabError

IMAGE = Image("edgemodel-operator", "operator")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("core/a.py", "registry/b.py", "operator/Dockerfile", "requirements/r.txt", "distill_job/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("changed", ["core/a.py", "operator/Dockerfile", "requirements/r.txt", "operator/new.py"])
def test_a_changed_input_changes_the_tag(repository: Path, changed: str) -> None:
    before = IMAGE.tag(repository)
    (repository / changed).write_text("other")
    assert IMAGE.tag(repository) != before


@pytest.mark.parametrize("changed", ["distill_job/c.py", "core/__pycache__/a.pyc", "core/x.egg-info/PKG-INFO"])
def test_what_is_not_copied_does_not_change_the_tag(repository: Path, changed: str) -> None:
    before = IMAGE.tag(repository)
    (repository / changed).parent.mkdir(exist_ok=True)
    (repository / changed).write_text("other")
    assert IMAGE.tag(repository) == before


def test_moving_a_line_from_one_file_to_the_next_changes_the_tag(repository: Path) -> None:
    (repository / "core/a.py").write_text("one two")
    (repository / "core/b.py").write_text("")
    before = IMAGE.tag(repository)
    (repository / "core/a.py").write_text("one ")
    (repository / "core/b.py").write_text("two")
    assert IMAGE.tag(repository) != before


def test_an_unknown_image_is_refused_with_the_choice() -> None:
    with pytest.raises(LabError, match="no image toaster: choose among operator, inference, distill"):
        container_images.chosen(["toaster"])


def test_the_mirror_is_the_one_that_apt_uses(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\n# URIs: http://old.example/debian\nURIs: http://mirror.example/debian\nSuites: trixie\n"
    )
    assert debian_mirror(tmp_path) == "http://mirror.example/debian"


def test_without_a_configured_mirror_there_is_none(tmp_path: Path) -> None:
    assert debian_mirror(tmp_path) is None
