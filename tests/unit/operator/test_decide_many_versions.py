"""Where there are more versions than can be remembered: what is of use is kept, whatever came later."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemodel.wish import FILE_NAME
from edgemodel_operator.api.states import DistillationPhase, Origin, VersionState
from edgemodel_operator.api.status import DistillationStatus, Status, VersionStatus
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.decide import decide
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import BARRED, KEPT, backup_of, collect
from edgemodel_operator.model.observation import Observation
from edgemodel_operator.model.plan import Ensure, WriteStatus
from tests.unit.operator.plant import IMAGES, student
from tests.unit.operator.world import World

STATES = st.sampled_from([VersionState.AVAILABLE, VersionState.QUARANTINED, VersionState.REJECTED])
SECOND = timedelta(seconds=1)
MANY = 55
"""Students, beside the three versions of the spec."""


@pytest.fixture(scope="module")
def observation(one_good: World) -> Observation:
    return one_good.observe()


def trained(number: int, state: VersionState) -> VersionStatus:
    name = f"distilled-{number}"
    return VersionStatus(name=name, uri="oci://r/d", digest=student(number), origin=Origin.DISTILLED, state=state)


def known(observation: Observation, **status: object) -> Observation:
    """With another status."""
    model = observation.model.model_copy(update={"status": observation.model.status.model_copy(update=status)})
    return replace(observation, model=model)


def decided(observation: Observation) -> Status:
    written = (action.status for action in decide(observation, IMAGES).actions if isinstance(action, WriteStatus))
    return next(written, observation.model.status)


@pytest.mark.shows("versions.collect")
def test_what_serves_is_remembered_however_many_students_failed_since(observation: Observation) -> None:
    serving = trained(1, VersionState.SERVING).model_copy(update={"proved_at": observation.now + SECOND})
    failed = [trained(number, VersionState.QUARANTINED) for number in range(2, KEPT + 2)]
    versions = (*observation.model.status.versions, serving, *failed)
    seen = known(observation, versions=versions, version=serving.name, digest=serving.digest, last_good=serving.name)
    status = decided(seen)
    assert status.find_version("distilled-1") is not None
    assert (status.version, status.last_good) == ("distilled-1", "distilled-1")
    ensured = [action.object for action in decide(seen, IMAGES).actions if isinstance(action, Ensure)]
    (wish,) = (body for body in ensured if body["kind"] == "ConfigMap")
    assert serving.digest in wish["data"][FILE_NAME]


@settings(max_examples=30, deadline=None)
@given(data=st.data(), states=st.lists(STATES, min_size=MANY, max_size=MANY))
def test_what_is_of_use_survives_any_number_of_versions(
    observation: Observation, data: st.DataObject, states: list[VersionState]
) -> None:
    students = [trained(number, state) for number, state in enumerate(states, 1)]
    number = st.integers(0, MANY - 1)
    serving, good, going, candidate = (students[data.draw(number)] for _ in range(4))
    proved = students[data.draw(number)].name
    students = [s.model_copy(update={"proved_at": observation.now}) if s.name == proved else s for s in students]
    seen = known(
        observation,
        versions=(*observation.model.status.versions, *students),
        version=serving.name,
        digest=serving.digest,
        last_good=good.name,
        rollout=RolloutStatus(to=going.name, since=observation.now),
        distillation=DistillationStatus(phase=DistillationPhase.ACCEPTED, candidate=candidate.name),
    )
    before = Draft(status=seen.model.status)
    after = collect(seen, before)
    kept = {version.name for version in after.status.versions}
    backup = backup_of(seen, before, serving.name)
    assert kept >= {serving.name, good.name, going.name, candidate.name, "v1", "v2", "v3"}
    assert backup is None or backup.name in kept
    assert len(kept) == KEPT
    lost = [s for s in students if s.name not in kept]
    used = {serving.name, good.name, going.name, candidate.name, backup.name if backup else ""}
    idle = [s for s in students if s.name in kept - used and s.state not in BARRED]
    assert not (idle and any(s.state in BARRED for s in lost)), "a barred one was forgotten before one of no use"
    newest = max((students.index(s) for s in lost if s.state not in BARRED), default=-1)
    assert all(students.index(s) > newest for s in idle), "the oldest are forgotten first"
