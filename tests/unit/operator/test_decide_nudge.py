"""A pod that did not take note of its wish is nudged again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from edgemodel.wish import Artifact, Assignment, Wish
from edgemodel_operator.api.status import Status
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.nudge import LOOK, MOST, PAUSE, look_again, nudges
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Observation, Pod, Report
from edgemodel_operator.model.plan import Nudge
from tests.unit.operator.test_operator_children import model
from tests.unit.operator.test_operator_watched import NOW

ACTIVE, BACKUP, OLD = ("sha256:" + digit * 64 for digit in "abc")
WISH = Wish(
    revision=7,
    namespace="plant-a",
    model="digits",
    default=Assignment(
        active=Artifact(name="v2", uri="file:///v2", digest=ACTIVE),
        backup=Artifact(name="v1", uri="file:///v1", digest=BACKUP),
    ),
)
LONG_AGO = NOW - timedelta(hours=1)


def observation(report: dict[str, Any] | None = None, **pod: Any) -> Observation:
    """One pod that was nudged for the wish long ago and says that it is about the one before."""
    there = {"name": "p", "node": "n1", "ready": True, "revision": 7, "address": "10.0.0.1", "nudged_at": LONG_AGO}
    told = Report(**{"node": "n1", "at": NOW, "wish_revision": 6, **(report or {})})
    return Observation(now=NOW, model=model(), pods=(Pod(**{**there, **pod}),), reports={"n1": told})


def due(seen: Observation) -> list[Nudge]:
    return list(nudges(seen, WISH))


def wakes(seen: Observation) -> tuple[object, ...]:
    return look_again(seen, WISH, Draft(status=Status())).wakes


@pytest.mark.parametrize("revision", [0, 6, 8])
def test_a_pod_is_nudged_for_every_wish(revision: int) -> None:
    seen = observation(revision=revision, again=3)
    assert (due(seen), wakes(seen)) == ([Nudge("p", 7)], ())


def test_who_is_behind_is_nudged_again_and_looked_at_later() -> None:
    seen = observation(again=2)
    assert (due(seen), wakes(seen)) == ([Nudge("p", 7, 3)], (NOW + LOOK,))


def test_an_operator_that_began_anew_nudges_who_is_behind() -> None:
    assert due(observation(nudged_at=None)) == [Nudge("p", 7, 1)]


@pytest.mark.parametrize("revision", [7, 8, None])
def test_who_is_not_behind_is_left_alone(revision: int | None) -> None:
    seen = observation({"wish_revision": revision})
    assert (due(seen), wakes(seen)) == ([], ())


def test_who_is_out_of_sight_is_left_alone() -> None:
    seen = replace(observation(), reports={})
    assert (due(seen), wakes(seen)) == ([], ())


@pytest.mark.parametrize("digest", [ACTIVE, BACKUP])
def test_who_fetches_what_is_wished_has_taken_note(digest: str) -> None:
    seen = observation({"pending": {digest: "Fetching"}})
    assert (due(seen), wakes(seen)) == ([], ())


def test_who_fetches_something_else_has_not() -> None:
    assert due(observation({"pending": {OLD: "Unreachable"}})) == [Nudge("p", 7, 1)]


def test_between_two_nudges_there_is_a_pause_that_the_report_has_seen() -> None:
    late = {"at": NOW - timedelta(seconds=1)}
    seen = observation(late, nudged_at=NOW - PAUSE)
    assert (due(seen), wakes(seen)) == ([], (NOW + LOOK,))
    assert due(observation(nudged_at=NOW - PAUSE)) == [Nudge("p", 7, 1)]


def test_a_pod_that_never_takes_note_is_given_up() -> None:
    seen = observation(again=MOST)
    assert (due(seen), wakes(seen)) == ([], ())


@pytest.mark.parametrize(("revision", "again", "text"), [(7, 0, "7"), (7, 2, "7.2"), (12, 10, "12.10")])
def test_a_nudge_is_read_as_it_was_written(revision: int, again: int, text: str) -> None:
    assert naming.nudge_text(revision, again) == text
    assert naming.parse_nudge(text) == (revision, again)


@pytest.mark.parametrize("text", ["", "x", "7.x", ".1", "-1", "7.1.1", "²"])
def test_what_is_no_nudge_counts_as_none(text: str) -> None:
    assert naming.parse_nudge(text) == (0, 0)
