"""Starting the operator with settings that cannot work: one clear line for each, and no traceback."""

import os
import socket
import subprocess
import sys

import pytest

from edgemodel_operator.__main__ import main
from edgemodel_operator.servers import bind

GOOD = {"OPERATOR_INFERENCE_IMAGE": "a", "OPERATOR_DISTILL_IMAGE": "b"}


def test_missing_settings_are_named_as_they_are_set() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPERATOR_")}
    command = [sys.executable, "-m", "edgemodel_operator"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        "edgemodel-operator: OPERATOR_INFERENCE_IMAGE: not set, and needed",
        "edgemodel-operator: OPERATOR_DISTILL_IMAGE: not set, and needed",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNAL_INTERVAL", "0"),
        ("WEBHOOK_PORT", "http"),
        ("LOG_LEVEL", "loud"),
        ("WORKERS", "0"),
        ("POD_PULL_POLICY", "Sometimes"),
        ("PROMETHEUS_URL", "prometheus:9090"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgemodel-operator"])
    for variable, content in {**GOOD, f"OPERATOR_{name}": value}.items():
        monkeypatch.setenv(variable, content)
    assert main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"edgemodel-operator: OPERATOR_{name}: ")
    assert line.endswith(f"got {value!r}")


def test_a_login_in_the_address_of_prometheus_is_refused_and_shown_to_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgemodel-operator"])
    for variable, content in {**GOOD, "OPERATOR_PROMETHEUS_URL": "https://me:s3cret@prometheus:9090"}.items():
        monkeypatch.setenv(variable, content)
    assert main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edgemodel-operator: OPERATOR_PROMETHEUS_URL: want no login")
    assert "OPERATOR_PROMETHEUS_TOKEN_FILE" in line
    assert "cret" not in line.removesuffix("(chart: prometheus.existingSecret)")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_addresses_of_both_kinds(host: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with bind(0) as ear, socket.create_connection((host, ear.getsockname()[1]), timeout=5):
        pass


def test_help_says_what_every_setting_is_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgemodel-operator", "--help"])
    with pytest.raises(SystemExit):
        main()
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "OPERATOR_" in line]
    told = dict(lines)
    assert told["OPERATOR_DISTILL_IMAGE"] == "Image of the distillation Jobs. (needed)"
    assert told["OPERATOR_SIGNAL_INTERVAL"].endswith("(default: 10.0)")
    assert told["OPERATOR_PROMETHEUS_URL"].endswith("(default: none)")
    assert not [name for name, words in told.items() if words.startswith(("(", "None"))]
