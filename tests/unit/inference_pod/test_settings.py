"""Settings: defaults that work, and refusals that name the variable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgemodel_inference.config.settings import ensure_state, read
from edgemodel_inference.config.variables import VARIABLES, describe
from edgemodel_inference.errors import SettingsError


def test_an_empty_environment_gives_the_defaults_of_the_image() -> None:
    settings = read({})
    assert (settings.port, settings.admin_port, settings.wish) == (8080, 8081, Path("/etc/edgemodel/wish/wish.json"))


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert read({"EDGEMODEL_REGISTRY_CA": "", "EDGEMODEL_THREADS": ""}) == read({})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EDGEMODEL_PORT", "http", "want a port"),
        ("EDGEMODEL_PORT", "70000", "want a port"),
        ("EDGEMODEL_CACHE_SIZE", "100Mi", "want a size in bytes"),
        ("EDGEMODEL_BANDWIDTH", "1Mi", "want a size in bytes"),
        ("EDGEMODEL_DEVICE", "gpu", "want auto, cpu, cuda, tensorrt, openvino"),
        ("EDGEMODEL_TRACE_RATIO", "1.5", "want a share"),
        ("EDGEMODEL_OTLP_TRACES", "collector:4318", "want a URL"),
        ("EDGEMODEL_THREADS", "0", "want a number of threads"),
        ("EDGEMODEL_WISH", "wish.json", "want an absolute path"),
        ("EDGEMODEL_REGISTRY_CA", "ca.pem", "want an absolute path"),
        ("EDGEMODEL_NAME", " ", "want a name"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: {message}.*, got '{value}'"):
        read({name: value})


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read({"EDGEMODEL_PORT": "x", "EDGEMODEL_ADMIN_PORT": "y"})
    assert len(str(caught.value).splitlines()) == 2


def test_keys_of_a_file_are_not_silently_ignored_in_favour_of_a_wish_files() -> None:
    with pytest.raises(SettingsError, match=r"^EDGEMODEL_TRUSTED_KEYS: want --bundle or --config with it"):
        read({"EDGEMODEL_TRUSTED_KEYS": "plant.key.pub"})
    assert read({"EDGEMODEL_TRUSTED_KEYS": "plant.key.pub", "EDGEMODEL_BUNDLE": "b"}).trusted_keys is not None


def test_the_help_names_every_variable() -> None:
    assert all(variable.name in describe() for variable in VARIABLES)


def test_a_state_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"^EDGEMODEL_STATE: want a writable folder"):
        ensure_state(read({"EDGEMODEL_STATE": str(tmp_path / "file" / "state")}))


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from edgemodel_inference.processes.supervisor import main; main()", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_the_command_explains_itself() -> None:
    done = run("--help")
    assert (done.returncode, "EDGEMODEL_WISH" in done.stdout) == (0, True)


def test_the_command_ends_with_the_name_of_a_wrong_variable() -> None:
    done = run(EDGEMODEL_PORT="http")
    assert (done.returncode, done.stderr) == (
        1,
        "edgemodel-serve: EDGEMODEL_PORT: want a port, 1 to 65535 (0: any free one), got 'http'\n",
    )


HIDE = """
import importlib.machinery, os
find = importlib.machinery.PathFinder.find_spec
def find_what_is_not_hidden(name, path=None, target=None):
    return None if name == os.environ["HIDDEN"] else find(name, path, target)
importlib.machinery.PathFinder.find_spec = find_what_is_not_hidden
"""


@pytest.mark.parametrize(
    ("hidden", "extra", "option", "value"),
    [
        ("h2", "grpc", "--grpc-port", "8082"),
        ("google.protobuf", "grpc", "--grpc-port", "8082"),
        ("opentelemetry.sdk", "otlp", "--otlp", "http://collector/v1/metrics"),
        ("opentelemetry.exporter", "otlp", "--otlp", "http://collector/v1/metrics"),
        ("opentelemetry.exporter.otlp", "otlp", "--otlp-traces", "http://collector/v1/traces"),
        ("opentelemetry", "otlp", "--otlp-traces", "http://collector/v1/traces"),
    ],
)
def test_without_an_extra_the_command_says_how_to_get_it(
    tmp_path: Path, hidden: str, extra: str, option: str, value: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = run(option, value, "--bundle", ".", "--state", str(tmp_path), PYTHONPATH=path, HIDDEN=hidden)
    want = f"wants the extra {extra}, which is not installed (pip install 'edgemodel-inference[{extra}]')"
    assert (done.returncode, done.stderr) == (1, f"edgemodel-serve: {option}: {want}, got '{value}'\n")


def test_the_supervisor_is_small_for_it_imports_no_library() -> None:
    ours = "edgemodel", "edgemodel_inference", "_distutils_hack", "__main__"
    script = (
        "import sys, edgemodel_inference.processes.supervisor; "
        f"print({{name.partition('.')[0] for name in sys.modules}} - sys.stdlib_module_names - {set(ours)})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
