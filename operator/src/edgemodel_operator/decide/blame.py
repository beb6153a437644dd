"""Whose fault a fault is: the version's, the input's, a node's. Absent signals blame nobody."""

from collections.abc import Callable
from dataclasses import dataclass

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Blame
from edgemodel_operator.api.status import FaultStatus
from edgemodel_operator.decide.adoption import healed
from edgemodel_operator.decide.alerts import firing
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.evidence import (
    about_cloud,
    alert_alone,
    complaints,
    drifting,
    quorum,
    silent,
    suspects,
    voters,
)
from edgemodel_operator.decide.versions import backup_of
from edgemodel_operator.decide.wave import heard, reached
from edgemodel_operator.model.observation import Observation, Report

FAULTS_KEPT = 30
"""As many as there can be rules; alerts may name more."""


def assess(observation: Observation, draft: Draft) -> Draft:
    """Write down which faults are active, and whom to blame.

    First those of the nodes that serve the default version; then, of a rollout's nodes, those that were not enough to
    take its version back.
    """
    electorate, lone = voters(observation, draft), _lone(observation, draft)
    if not electorate and lone is None:
        return _silenced(draft)
    known = {fault.name: fault for fault in draft.status.faults}
    # Once a rollout has reached everyone nobody votes on the version before: what was known of it stays.
    faults = [fault for fault in known.values() if fault.blame is not Blame.NODE]
    if electorate:
        draft, faults = _of_fleet(observation, draft, electorate)
    for name in sorted((lone or {}).keys() - {fault.name for fault in faults}):
        nodes, old = (lone or {})[name], known.get(name)
        since = observation.now if old is None else old.since
        faults.append(FaultStatus(name=name, nodes=tuple(nodes), since=since, blame=Blame.NODE))
        if old is None:
            message = f"{name} on {', '.join(nodes)} alone of the rollout's nodes: {Blame.NODE.value}"
            draft = draft.tell("Warning", EventReason.FAULT_DETECTED, message)
    for name in sorted(known.keys() - {fault.name for fault in faults}):
        draft = draft.tell("Normal", EventReason.FAULT_CLEARED, name)
    kept = tuple(sorted(faults, key=lambda fault: fault.name)[:FAULTS_KEPT])
    return draft if kept == draft.status.faults else draft.set(faults=kept)


def _of_fleet(observation: Observation, draft: Draft, electorate: dict[str, Report]) -> tuple[Draft, list[FaultStatus]]:
    quiet = silent(observation, draft)
    found = suspects(firing(observation, draft), draft.status.digest, electorate)
    known = {fault.name: fault for fault in draft.status.faults}
    stale = {name: left for name, fault in known.items() if (left := quiet.intersection(fault.nodes))}
    faults = []
    for name in sorted(found.keys() | stale.keys()):
        nodes, old = found.get(name, []), known.get(name)
        blame = _blame(Case(observation, draft, name, nodes, electorate))
        if blame is Blame.NODE:
            nodes = [node for node in nodes if healed(observation, draft, electorate[node]) != name]
        if not nodes and name not in stale:
            continue
        since = observation.now if old is None else old.since
        shown = tuple(sorted({*nodes, *stale.get(name, ())}))
        faults.append(FaultStatus(name=name, nodes=shown, since=since, blame=blame))
        if nodes and (old is None or old.blame not in (blame, Blame.TELEMETRY)):
            message = (
                f"{name} on {len(nodes)} of {len(electorate)} nodes that serve {draft.status.version}: {blame.value}"
            )
            message += f"; {len(quiet)} more do not report" if quiet else ""
            draft = draft.tell("Warning", EventReason.FAULT_DETECTED, message)
    return draft, faults


def _silenced(draft: Draft) -> Draft:
    """Nobody reports: no fault is gone, none is new, and none is acted upon."""
    faults = tuple(fault.model_copy(update={"blame": Blame.TELEMETRY}) for fault in draft.status.faults)
    return draft if faults == draft.status.faults else draft.set(faults=faults)


def _lone(observation: Observation, draft: Draft) -> dict[str, list[str]] | None:
    """What nodes of the rollout complain of; None where none of them has anything to say."""
    rollout = draft.status.rollout
    target = None if rollout is None else draft.version(rollout.to)
    if rollout is None or target is None or not heard(observation, reached(observation, rollout)):
        return None
    return complaints(observation, draft, rollout, target.digest)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the nodes that show it now, and all that vote."""

    observation: Observation
    draft: Draft
    fault: str
    nodes: list[str]
    electorate: dict[str, Report]

    @property
    def enough(self) -> int:
        """How many nodes speak for all."""
        return quorum(len(self.electorate), len(self.electorate) + len(silent(self.observation, self.draft)))


def _unheard(case: Case) -> Blame | None:
    """None of the nodes that reported it reports now."""
    return None if case.nodes else Blame.TELEMETRY


def _about_cloud(case: Case) -> Blame | None:
    """Its rule watches how often the cloud answers, which says nothing of a version or a node."""
    return Blame.CLOUD if about_cloud(case.observation, case.fault) else None


def _cloud_fails(case: Case) -> Blame | None:
    """An alert that no rule explains, while enough nodes cannot ask the cloud: callers see the wait for it."""
    if not alert_alone(case.observation, case.draft, case.fault):
        return None
    return Blame.CLOUD if sum(r.cloud_fails for r in case.electorate.values()) >= case.enough else None


def _few(case: Case) -> Blame | None:
    """Fewer nodes report it than speak for a version."""
    return Blame.NODE if len(case.nodes) < case.enough else None


def _backup_alike(case: Case) -> Blame | None:
    """Enough nodes fell back by themselves and see it on the backup as well."""
    left = [node for node in case.nodes if case.electorate[node].digest != case.draft.status.digest]
    alike = [node for node in left if case.electorate[node].faults.get(case.fault)]
    return Blame.INPUT if len(alike) >= case.enough else None


def _canary_alike(case: Case) -> Blame | None:
    """The version that is being rolled out shows it as well."""
    return Blame.INPUT if case.fault in drifting(case.observation, case.draft) else None


def _switched_in_vain(case: Case) -> Blame | None:
    """A switch between what serves and its backup did not help before."""
    return Blame.INPUT if _switch_did_not_help(case.observation, case.draft, case.fault) else None


def _proved_before(case: Case) -> Blame | None:
    """A version that had been proved good, and has no backup to compare with, is believed."""
    serving = case.draft.version(case.draft.status.version)
    alone = backup_of(case.observation, case.draft, case.draft.status.version) is None
    return Blame.INPUT if alone and serving is not None and serving.proved_at else None


def _else(_case: Case) -> Blame | None:
    """Enough nodes report it, and nothing speaks for the version."""
    return Blame.VERSION


CHECKS: tuple[Callable[[Case], Blame | None], ...] = (
    _unheard,
    _about_cloud,
    _cloud_fails,
    _few,
    _backup_alike,
    _canary_alike,
    _switched_in_vain,
    _proved_before,
    _else,
)


def _blame(case: Case) -> Blame:
    return next(blame for check in CHECKS if (blame := check(case)) is not None)


def _switch_did_not_help(observation: Observation, draft: Draft, fault: str) -> bool:
    """Both what serves and its backup showed the fault before, or its last heal was a switch to what serves now.

    Versions do not change: what did not help between two of them does not help later, in the other direction either.
    """
    heals = [heal for heal in draft.status.heals if heal.fault == fault and not heal.nodes]
    last = heals[-1] if heals else None
    backup = backup_of(observation, draft, draft.status.version)
    pair = {draft.status.version, None if backup is None else backup.name}
    failed = [h for h in heals if h.action is ActionType.SWITCH_MODEL and h.verdict is Verdict.FAILED]
    return any({heal.from_, heal.to} == pair for heal in failed) or (
        last is not None
        and last.action in (ActionType.SWITCH_MODEL, ActionType.REDISTILL)
        and last.verdict is Verdict.FAILED
        and draft.status.version in (last.to, last.from_)
    )
