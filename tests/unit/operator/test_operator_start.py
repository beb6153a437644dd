"""Starting the operator with settings that cannot work: one clear line for each, and no traceback."""

import os
import subprocess
import sys

import pytest

GOOD = {"OPERATOR_INFERENCE_IMAGE": "a", "OPERATOR_DISTILL_IMAGE": "b"}


def start(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPERATOR_")} | settings
    command = [sys.executable, "-m", "edgemodel_operator", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_missing_settings_are_named_as_they_are_set() -> None:
    answer = start()
    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        "edgemodel-operator: OPERATOR_INFERENCE_IMAGE: not set, and needed",
        "edgemodel-operator: OPERATOR_DISTILL_IMAGE: not set, and needed",
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("SIGNAL_INTERVAL", "0"), ("WEBHOOK_PORT", "http"), ("LOG_LEVEL", "loud"), ("WORKERS", "0")]
)
def test_a_setting_that_cannot_be_is_named_with_its_value(name: str, value: str) -> None:
    answer = start(**GOOD, **{f"OPERATOR_{name}": value})
    (line,) = answer.stderr.splitlines()
    assert answer.returncode == 2
    assert line.startswith(f"edgemodel-operator: OPERATOR_{name}: ")
    assert line.endswith(f"got {value!r}")


def test_help_names_every_setting() -> None:
    answer = start("--help")
    assert answer.returncode == 0
    assert "OPERATOR_DISTILL_IMAGE (needed)" in answer.stdout
    assert "OPERATOR_SIGNAL_INTERVAL (default 10.0)" in answer.stdout
