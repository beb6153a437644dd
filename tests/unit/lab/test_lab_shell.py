"""A failed command is quoted; waiting ends."""

from pathlib import Path

import pytest

from lab import shell
from lab.errors import LabError


def test_a_failure_quotes_the_command_its_status_and_what_it_said() -> None:
    with pytest.raises(LabError, match=r"(?s)sh -c .*: exit status 3\nbecause"):
        shell.run(["sh", "-c", "echo because >&2; exit 3"])


def test_a_failure_with_a_log_says_where_the_log_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(LabError, match=str(log)):
        shell.run(["sh", "-c", "echo because; exit 3"], log=log)
    assert log.read_text() == "because\n"


def test_a_command_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(LabError, match="still running"):
        shell.run(["sleep", "60"], timeout_s=0.1)


def test_waiting_in_vain_names_what_was_awaited_and_the_hint() -> None:
    with pytest.raises(LabError, match="godot: did not happen within 0 s; look down the road"):
        shell.wait_for("godot", lambda: False, 0.05, hint="look down the road", interval_s=0.01)
