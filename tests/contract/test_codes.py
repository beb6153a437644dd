"""Every code with which a node can refuse or miss an artifact has words, and no words are for nothing."""

import re

import pytest

from edgemodel.codes import CODES, explain
from edgemodel_inference.errors import LASTING_CODES
from edgemodel_inference.node import CRASH_REASON
from edgemodel_registry.errors import RegistryError
from lab.home import REPOSITORY

SOURCES = "\n".join(path.read_text() for path in (REPOSITORY / "inference_pod" / "src").rglob("*.py"))


def of_registry(error: type[RegistryError] = RegistryError) -> set[str]:
    return {name for kind in error.__subclasses__() for name in ({kind.__name__} | of_registry(kind))}


def given() -> set[str]:
    """Codes that the pod's source names, and those that it takes from the registry client's errors."""
    named = set(re.findall(r'(?:Refused|Unreachable)\(\s*(?:code=)?"(\w+)"', SOURCES))
    named |= set(re.findall(r'"(DiskFull|DiskTrouble)"', SOURCES))
    return named | LASTING_CODES | of_registry() | {CRASH_REASON, "Fetching"}


def test_every_code_has_words() -> None:
    assert given() - CODES.keys() == set()


def test_no_code_has_words_that_nobody_gives() -> None:
    assert CODES.keys() - given() == set()


@pytest.mark.parametrize("code", ["TooLarge", "CertificateUntrusted"])
def test_what_to_do_names_the_field(code: str) -> None:
    assert "spec." in explain(code)


def test_the_name_of_a_fault_stands_alone() -> None:
    assert explain("high-latency") == "high-latency"
