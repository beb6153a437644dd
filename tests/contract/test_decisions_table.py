"""Every check of a decision says what it asks, has a test that shows it, and stands in docs/decisions-table.md."""

import pytest

from edgemodel_operator.api.reasons import EventReason, Reason
from tests.contract import decisions_table
from tests.contract.decisions_table import Check

CHECKS = list(decisions_table.checks())
ELSEWHERE = {Reason.INVALID_SPEC, Reason.NAME_TAKEN, Reason.FORBIDDEN, Reason.INTERNAL_ERROR}
"""Said by who reads the spec and by who writes, before and after anything is decided, or instead."""


def test_the_page_is_what_make_generate_writes() -> None:
    page = decisions_table.REPOSITORY / "docs" / "decisions-table.md"
    assert page.read_text() == decisions_table.render()


@pytest.mark.parametrize("check", CHECKS, ids=decisions_table.name_of)
def test_a_check_says_what_it_asks(check: Check) -> None:
    assert check.__doc__


@pytest.mark.parametrize("check", CHECKS, ids=decisions_table.name_of)
def test_a_check_is_shown_by_a_test(check: Check) -> None:
    shown = decisions_table.tests_by_check()
    assert decisions_table.name_of(check) in shown, "mark a test with @pytest.mark.shows"


def test_no_test_shows_a_check_that_is_not_there() -> None:
    assert decisions_table.tests_by_check().keys() - {decisions_table.name_of(check) for check in CHECKS} == set()


def test_every_reason_of_a_condition_or_an_event_is_said_by_a_check() -> None:
    assert {*Reason, *EventReason} - ELSEWHERE - decisions_table.said() == set()
