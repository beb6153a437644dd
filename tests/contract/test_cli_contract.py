"""The command line and the operator are built apart: what one reads the other writes, and each word is known."""

from pathlib import Path

import pytest
import yaml

from edgemodel_cli.advice import ADVICE, CHECKS
from edgemodel_cli.doctor_cluster import READS
from edgemodel_operator.api.reasons import Reason

CRD = yaml.safe_load((Path(__file__).parents[2] / "crds" / "edgemodels.yaml").read_text())

SELF_EXPLAINING = {
    Reason.SERVING,
    Reason.NO_FAULT,
    Reason.NOTHING_TO_HEAL,
    Reason.NOTHING_WAITS,
    Reason.STUDENT_ACCEPTED,
    Reason.ROLLED_BACK,
    Reason.COMPLETE,
    Reason.FRESH,
}
"""Reasons of conditions about which there is nothing to do and nothing to wait for."""


@pytest.mark.parametrize("reason", sorted(set(Reason) - SELF_EXPLAINING))
def test_explain_knows_every_reason_that_wants_an_explanation(reason: Reason) -> None:
    assert reason in ADVICE, f"say in edgemodel_cli/advice.py which check gives {reason}, and what would change it"
    assert ADVICE[reason].check in CHECKS


def test_no_advice_is_about_a_reason_that_is_never_given() -> None:
    assert ADVICE.keys() <= set(Reason)


def test_every_field_that_the_command_reads_is_in_the_crd() -> None:
    (version,) = CRD["spec"]["versions"]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert set(READS) <= fields.keys()
