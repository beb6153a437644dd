"""Which versions there are, and which of them may serve."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from edgemodel.wish import NAME_LIMIT
from edgemodel_operator.api.reasons import ConditionType, EventReason
from edgemodel_operator.api.states import Origin, RolloutSource, VersionState
from edgemodel_operator.api.status import VersionStatus
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.evidence import silence
from edgemodel_operator.model.observation import Observation, Report

BARRED = frozenset({VersionState.QUARANTINED, VersionState.REJECTED})
"""States in which a version does not serve without a new, explicit wish."""

EXONERATED = "Exonerated"
"""Reason of a version that was quarantined, and whose backup then showed the same fault."""

CLEARED = "Cleared"
"""Reason of a version that was barred until a person cleared it."""

KEPT = 40
"""Versions remembered. Beside those of the spec: first what is used, then what is barred, then the newest students."""


def collect(observation: Observation, draft: Draft) -> Draft:
    """Bring the known versions in line with the spec. A barred digest stays barred under any name."""
    for version in observation.model.spec.versions:
        old = draft.version(version.name)
        if old is not None and old.digest != version.digest:
            draft = _rename(draft, old)
    known = {version.name: version for version in draft.status.versions}
    same = {version.digest: version for version in draft.status.versions}
    barred = {version.digest: version for version in draft.status.versions if version.state in BARRED}
    wished = {}
    for version in observation.model.spec.versions:
        old = known.get(version.name)
        if old is not None and old.digest == version.digest:
            wished[version.name] = old.model_copy(update={"uri": version.uri})
        else:
            found = VersionStatus(name=version.name, uri=version.uri, digest=version.digest, since=observation.now)
            if (other := same.get(version.digest)) is not None:  # what is known of it is known under any name
                found = found.model_copy(update={"proved_at": other.proved_at, "cleared_in": other.cleared_in})
            twin = barred.get(version.digest)
            state = {} if twin is None else {"state": twin.state, "reason": twin.reason}
            wished[version.name] = found.model_copy(update=state)
    others = [version for version in draft.status.versions if version.name not in wished and _of_use(version, draft)]
    versions = (*wished.values(), *_most_useful(observation, draft, others, KEPT - len(wished)))
    return draft if versions == draft.status.versions else draft.set(versions=versions)


def serve(draft: Draft, version: VersionStatus, observation: Observation) -> Draft:
    """Make `version` the one that serves everywhere."""
    previous = draft.version(draft.status.version)
    if previous is not None and previous.state is VersionState.SERVING and previous.name != version.name:
        draft = draft.mark(previous.name, VersionState.AVAILABLE, observation.now)
    draft = draft.mark(version.name, VersionState.SERVING, observation.now)
    return draft.set(version=version.name, digest=version.digest)


def start_rollout(
    observation: Observation, draft: Draft, target: VersionStatus, source: RolloutSource, fault: str | None = None
) -> Draft:
    """Begin to bring `target` to the nodes; `fault` names what it is to heal."""
    rollout = RolloutStatus(to=target.name, source=source, since=observation.now, fault=fault)
    message = f"{draft.status.version} → {target.name}"
    draft = draft.mark(target.name, VersionState.CANARY, observation.now).set(rollout=rollout)
    return draft.tell("Normal", EventReason.ROLLOUT_STARTED, message)


def stop_rollout(observation: Observation, draft: Draft, rollout: RolloutStatus) -> Draft:
    """End the rollout under way; its version is blamed for nothing."""
    return draft.mark(rollout.to, VersionState.AVAILABLE, observation.now).set(rollout=None)


def backup_of(observation: Observation, draft: Draft, serving: str | None) -> VersionStatus | None:
    """Where a rollback from `serving` goes: the user's backup, else the last one proved good; never a barred one.

    The same artifact under another name is no backup.
    """
    left = draft.version(serving)
    wished = draft.version(observation.model.spec.backup)
    proved = sorted((v for v in draft.status.versions if v.proved_at is not None), key=_proved_at, reverse=True)
    candidates = ([wished] if wished is not None else []) + proved
    others = (v for v in candidates if left is None or v.digest != left.digest)
    return next((v for v in others if v.state not in BARRED), None)


def bar(draft: Draft, version: VersionStatus, state: VersionState, observation: Observation, reason: str) -> Draft:
    """Keep an artifact from serving, under all of its names."""
    return draft.mark_artifact(version.digest, state, observation.now, reason).change_artifact(
        version.digest, cleared_in=None
    )


def clear(observation: Observation, draft: Draft, version: VersionStatus, reason: str | None) -> Draft:
    """Let an artifact serve again under all of its names, `reason` says why; None: it was barred by nodes only.

    The revision of the next wish stays with it until it is barred again: by that, nodes know that what they refused
    before counts no more, whenever they read it and whatever serves meanwhile.
    """
    revision = max(draft.status.wish_revision, 0 if observation.wish is None else observation.wish.revision) + 1
    draft = draft.change_artifact(version.digest, cleared_in=revision)
    if reason is None:
        return draft
    return draft.mark_artifact(version.digest, VersionState.AVAILABLE, observation.now, reason)


def confirm(observation: Observation, draft: Draft) -> Draft:
    """Call the serving version proved good: it answered enough requests, and its rules have found no fault."""
    serving = draft.version(draft.status.version)
    if serving is None or serving.proved_at is not None or draft.status.rollout is not None:
        return draft
    settled = (serving.since or observation.now) + timedelta(seconds=observation.model.spec.healing.settle)
    if observation.now < settled:
        return draft.wake_at(settled)
    reports = [observation.reports[node] for node in observation.reachable]
    answered = sum(report.answered for report in reports)
    good = all(r.digest == serving.digest and not any(_own_faults(observation, r)) for r in reports)
    if not (reports and good and answered >= observation.model.spec.rollout.judge.min_samples):
        return draft
    if observation.now < (due := _judged_at(observation, draft, serving, reports)):
        return draft.wake_at(due)
    return draft.change_version(serving.name, proved_at=observation.now)


def _judged_at(observation: Observation, draft: Draft, serving: VersionStatus, reports: Sequence[Report]) -> datetime:
    """When its rules have a verdict, or could have fired since the nodes began to answer."""
    ready = draft.status.condition(ConditionType.READY)
    moments = (serving.since, None if ready is None else ready.last_transition_time)
    began = max((moment for moment in moments if moment is not None), default=observation.now)
    return began + timedelta(seconds=silence(observation, reports))


def _own_faults(observation: Observation, report: Report) -> Iterator[str]:
    """Faults that speak against what the node serves."""
    cloud = {rule.name for rule in observation.model.spec.health.rules if rule.about_cloud}
    return (fault for fault, active in report.faults.items() if active and fault not in cloud)


def forgive(observation: Observation, draft: Draft) -> Observation:
    """`observation` without what nodes said of a version before they read that a person had cleared it.

    What they refused is forgotten. How the version did where it still served is neither for nor against it.
    """
    cleared = {v.digest: v.cleared_in for v in draft.status.versions if v.cleared_in is not None}
    if not cleared:
        return observation
    reports = {
        name: replace(report, refused={d: why for d, why in report.refused.items() if _counts(report, cleared.get(d))})
        for name, report in observation.reports.items()
        if _counts(report, cleared.get(report.digest or ""))
    }
    return replace(observation, reports=reports)


def _counts(report: Report, cleared_in: int | None) -> bool:
    return cleared_in is None or (report.wish_revision or 0) >= cleared_in


def remember_last_good(_observation: Observation, draft: Draft) -> Draft:
    """Name the version that was proved good last and may still serve."""
    good = [v for v in draft.status.versions if v.proved_at is not None and v.state not in BARRED]
    name = max(good, key=_proved_at).name if good else None
    return draft if name == draft.status.last_good else draft.set(last_good=name)


def _rename(draft: Draft, version: VersionStatus) -> Draft:
    """Its name now stands for another artifact; what is known about this one is kept under one with its digest."""
    mark = f"-{version.digest[7:15]}"
    name = version.name[: NAME_LIMIT - len(mark)].rstrip("-._") + mark
    draft = draft.change_version(version.name, name=name)
    if draft.status.version == version.name:
        draft = draft.set(version=name)
    rollout = draft.status.rollout
    if rollout is not None and rollout.to == version.name:
        draft = draft.set(rollout=rollout.model_copy(update={"to": name}))
    return draft


def _proved_at(version: VersionStatus) -> float:
    return version.proved_at.timestamp() if version.proved_at is not None else 0.0


def _of_use(version: VersionStatus, draft: Draft) -> bool:
    used = {draft.status.version, draft.status.last_good, draft.status.rollout.to if draft.status.rollout else None}
    return version.name in used or version.origin is Origin.DISTILLED or version.state in BARRED


def _most_useful(
    observation: Observation, draft: Draft, others: Sequence[VersionStatus], room: int
) -> list[VersionStatus]:
    """As many of `others` as there is room for, in the order they had: one forgotten cannot serve, or may serve again.

    What is used is never too much: the spec names at most half of what is remembered.
    """
    status, spec = draft.status, observation.model.spec
    backup = backup_of(observation, draft, status.version)
    used = {
        status.version,
        status.last_good,
        status.rollout.to if status.rollout is not None else None,
        status.distillation.candidate if status.distillation is not None else None,
        backup.name if backup is not None else None,
        spec.version,
        spec.backup,
    }
    oldest_first = sorted(others, key=lambda version: (version.name in used, version.state in BARRED))
    kept = {version.name for version in oldest_first[-room:]}
    return [version for version in others if version.name in kept]
