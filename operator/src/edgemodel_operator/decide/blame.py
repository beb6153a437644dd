"""Whose fault a fault is: the version's, the input's, a node's. Absent signals blame nobody."""

from edgemodel.ladder import ActionType, Verdict
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Blame
from edgemodel_operator.api.status import FaultStatus
from edgemodel_operator.decide.alerts import firing
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import backup_of
from edgemodel_operator.model.observation import Observation, Report

FAULTS_KEPT = 30
"""As many as there can be rules; alerts may name more."""


def assess(observation: Observation, draft: Draft) -> Draft:
    """Write down which faults are active on nodes that serve the default version, and whom to blame."""
    electorate = voters(observation, draft)
    if not electorate:
        return draft
    quiet = silent(observation, draft)
    found = _suspects(observation, draft, electorate)
    known = {fault.name: fault for fault in draft.status.faults}
    stale = {name: left for name, fault in known.items() if (left := quiet.intersection(fault.nodes))}
    faults = []
    for name in sorted(found.keys() | stale.keys()):
        nodes, old = found.get(name, []), known.get(name)
        blame = _blame(observation, draft, name, nodes, electorate) if nodes else _stale_blame(known[name])
        since = observation.now if old is None else old.since
        shown = tuple(sorted({*nodes, *stale.get(name, ())}))
        faults.append(FaultStatus(name=name, nodes=shown, since=since, blame=blame))
        if nodes and (old is None or old.blame is not blame):
            message = (
                f"{name} on {len(nodes)} of {len(electorate)} nodes that serve {draft.status.version}: {blame.value}"
            )
            message += f"; {len(quiet)} more do not report" if quiet else ""
            draft = draft.tell("Warning", EventReason.FAULT_DETECTED, message)
    for name in sorted(known.keys() - found.keys() - stale.keys()):
        draft = draft.tell("Normal", EventReason.FAULT_CLEARED, name)
    kept = tuple(faults[:FAULTS_KEPT])
    return draft if kept == draft.status.faults else draft.set(faults=kept)


def voters(observation: Observation, draft: Draft) -> dict[str, Report]:
    """Reports of reachable nodes that serve, or refuse, the default version; nodes of a rollout do not vote."""
    rollout = draft.status.rollout
    canaries = rollout.nodes if rollout is not None else ()
    digest = draft.status.digest
    reports = ((node, observation.reports[node]) for node in observation.reachable if node not in canaries)
    return {node: r for node, r in reports if digest is not None and (r.digest == digest or digest in r.refused)}


def silent(observation: Observation, draft: Draft) -> set[str]:
    """Wanted nodes, but those of a rollout, of which nothing is known now: they do not vote."""
    rollout = draft.status.rollout
    canaries = rollout.nodes if rollout is not None else ()
    return {node.name for node in observation.nodes}.difference(observation.reachable, canaries)


def answered(observation: Observation, draft: Draft, fault: str) -> bool:
    """Whether alerts are all that speaks of `fault`, and an action was taken about each of them already.

    One alert asks for one action; it asks again when it has ended and begins anew.
    """
    reports = voters(observation, draft).values()
    if any(report.faults.get(fault) or report.refused.get(draft.status.digest or "") == fault for report in reports):
        return False
    starts = [alert.since for alert in firing(observation, draft) if alert.fault == fault]
    known = [heal.alert_since for heal in draft.status.heals if heal.fault == fault and heal.alert_since is not None]
    return bool(starts) and bool(known) and max(starts) <= max(known)


def quorum(voters: int, fleet: int) -> int:
    """How many must agree before a version is blamed: half of those that report, two where the fleet has two.

    The second bound counts the silent ones too: the last node that reports does not speak for the others.
    """
    return max(-(-voters // 2), min(2, fleet))


def _suspects(observation: Observation, draft: Draft, electorate: dict[str, Report]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for node, report in electorate.items():
        for fault, active in report.faults.items():
            if active:
                found.setdefault(fault, set()).add(node)
        left = report.refused.get(draft.status.digest or "")
        if left is not None:
            found.setdefault(left, set()).add(node)
    for alert in firing(observation, draft):
        concerned = [alert.node] if alert.node else list(electorate)
        for node in concerned:
            if node in electorate and electorate[node].faults.get(alert.fault) is not False:
                found.setdefault(alert.fault, set()).add(node)
    return {fault: sorted(nodes) for fault, nodes in found.items()}


def _blame(
    observation: Observation, draft: Draft, fault: str, nodes: list[str], electorate: dict[str, Report]
) -> Blame:
    enough = quorum(len(electorate), len(electorate) + len(silent(observation, draft)))
    if len(nodes) < enough:
        return Blame.NODE
    # Nodes that fell back by themselves and see the same fault on the backup.
    alike = [n for n in nodes if electorate[n].digest != draft.status.digest and electorate[n].faults.get(fault)]
    if len(alike) >= enough or _switch_did_not_help(draft, fault):
        return Blame.INPUT
    serving = draft.version(draft.status.version)
    if backup_of(observation, draft, draft.status.version) is None and serving is not None and serving.proved_at:
        return Blame.INPUT
    return Blame.VERSION


def _stale_blame(fault: FaultStatus) -> Blame:
    """Of a fault whose nodes have all fallen silent: nothing is done about it, and it is not gone."""
    return Blame.NODE if fault.blame is Blame.NODE else Blame.UNKNOWN


def _switch_did_not_help(draft: Draft, fault: str) -> bool:
    """The last heal of this fault was a switch to what serves now, and it failed."""
    heals = [heal for heal in draft.status.heals if heal.fault == fault]
    last = heals[-1] if heals else None
    return (
        last is not None
        and last.action in (ActionType.SWITCH_MODEL, ActionType.REDISTILL)
        and last.verdict is Verdict.FAILED
        and draft.status.version in (last.to, last.from_)
    )
