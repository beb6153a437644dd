"""Settings: defaults that work, and refusals that name the variable."""

from pathlib import Path

import pytest

from edgemodel_inference.errors import SettingsError
from edgemodel_inference.settings import VARIABLES, describe, read


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


def test_the_help_names_every_variable() -> None:
    assert all(variable.name in describe() for variable in VARIABLES)
