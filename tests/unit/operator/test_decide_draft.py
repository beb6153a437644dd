"""The status in the making: an artifact is one thing, whatever names it has."""

from datetime import UTC, datetime, timedelta

import pytest

from edgemodel_operator.api.states import VersionState
from edgemodel_operator.api.status import Status, VersionStatus
from edgemodel_operator.decide.draft import Draft
from tests.unit.operator.plant import digest

BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEFORE + timedelta(hours=1)


def version(name: str, number: int, state: VersionState = VersionState.AVAILABLE) -> VersionStatus:
    return VersionStatus(name=name, uri="oci://registry/m", digest=digest(number), state=state, since=BEFORE)


@pytest.fixture
def draft() -> Draft:
    """`spring` and `summer` are one artifact, `autumn` is another."""
    return Draft(status=Status(versions=(version("spring", 1), version("autumn", 2), version("summer", 1))))


def states(draft: Draft) -> dict[str, VersionState]:
    return {known.name: known.state for known in draft.status.versions}


def test_an_artifact_is_found_under_all_of_its_names(draft: Draft) -> None:
    assert [known.name for known in draft.names_of(digest(1))] == ["spring", "summer"]
    assert draft.names_of(digest(3)) == ()


def test_an_artifact_changes_under_all_of_its_names_and_no_other(draft: Draft) -> None:
    changed = draft.change_artifact(digest(1), proved_at=NOW)
    assert [known.proved_at for known in changed.status.versions] == [NOW, None, NOW]


def test_an_artifact_moves_under_all_of_its_names_and_no_other(draft: Draft) -> None:
    marked = draft.mark_artifact(digest(1), VersionState.QUARANTINED, NOW, "unsure")
    assert states(marked) == {
        "spring": VersionState.QUARANTINED,
        "autumn": VersionState.AVAILABLE,
        "summer": VersionState.QUARANTINED,
    }
    assert [(known.reason, known.since) for known in marked.names_of(digest(1))] == [("unsure", NOW)] * 2


def test_a_name_that_is_in_the_state_already_keeps_its_time(draft: Draft) -> None:
    once = draft.mark("summer", VersionState.QUARANTINED, BEFORE, "unsure")
    twice = once.mark_artifact(digest(1), VersionState.QUARANTINED, NOW, "unsure")
    assert [known.since for known in twice.names_of(digest(1))] == [NOW, BEFORE]


def test_marking_one_name_moves_no_other(draft: Draft) -> None:
    marked = draft.mark("spring", VersionState.SERVING, NOW)
    assert states(marked)["summer"] is VersionState.AVAILABLE


def test_an_unknown_name_or_digest_changes_nothing(draft: Draft) -> None:
    assert draft.mark("winter", VersionState.SERVING, NOW) == draft
    assert draft.mark_artifact(digest(3), VersionState.REJECTED, NOW) == draft
