"""Who speaks for the fleet about a version, and what they say: gathered for `blame`, `heal` and `rollout`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgemodel.faults import Severity
from edgemodel_operator.api.status_rollout import RolloutStatus
from edgemodel_operator.decide.alerts import firing
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.wave import heard, reached
from edgemodel_operator.model.observation import Alert, Observation, Report


def voters(observation: Observation, draft: Draft) -> dict[str, Report]:
    """Reports of reachable nodes that serve, or refuse, the default version; nodes of a rollout do not vote."""
    canaries, digest = reached(observation, draft.status.rollout), draft.status.digest
    reports = ((node, observation.reports[node]) for node in observation.reachable if node not in canaries)
    return {node: r for node, r in reports if digest is not None and (r.digest == digest or digest in r.refused)}


def silent(observation: Observation, draft: Draft) -> set[str]:
    """Wanted nodes, but those of a rollout, of which nothing is known now: they do not vote."""
    canaries = reached(observation, draft.status.rollout)
    return {node.name for node in observation.nodes}.difference(observation.reachable, canaries)


def quorum(voters: int, fleet: int) -> int:
    """How many must agree before a version is blamed: half of those that report, two where the fleet has two.

    The second bound counts the silent ones too: the last node that reports does not speak for the others.
    """
    return max(-(-voters // 2), min(2, fleet))


def silence(observation: Observation, reports: Sequence[Report]) -> float:
    """Seconds of answering within which every rule would have fired that has no verdict yet; 0: all have one.

    A rule has a verdict where as many of the nodes have one as could blame a version. Some never will: there may be no
    such metric of the model.
    """
    health, enough = observation.model.spec.health, quorum(len(reports), len(reports))
    samples = [
        rule.samples_needed
        for rule in health.rules
        if rule.severity is Severity.CRITICAL
        and not rule.about_cloud
        and sum(rule.name in report.faults for report in reports) < enough
    ]
    return health.interval * max(samples, default=0)


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


def complaints(observation: Observation, draft: Draft, rollout: RolloutStatus, digest: str) -> dict[str, list[str]]:
    """Nodes of the rollout that show a fault with `digest`, or refuse it, by the fault or the code; not the cloud's.

    An alert counts where it names the node and began after the step: any other one may be about the version before,
    and so may one of the fault that the rollout is to heal, whose end is told late.
    """
    reports = heard(observation, reached(observation, rollout))
    serving = {node: report for node, report in reports.items() if report.digest == digest}
    left = {node: replace(r, faults={}) for node, r in reports.items() if r.digest != digest and digest in r.refused}
    alerts = [a for a in firing(observation, draft) if a.node and a.since >= rollout.since and a.fault != rollout.fault]
    if sum(report.cloud_fails for report in reports.values()) >= quorum(len(reports), len(reports)):
        alerts = [alert for alert in alerts if not alert_alone(observation, draft, alert.fault)]
    found = suspects(alerts, digest, serving | left)
    return {fault: nodes for fault, nodes in found.items() if not about_cloud(observation, fault)}


def about_cloud(observation: Observation, fault: str) -> bool:
    """Whether the rule `fault` watches how often the cloud answers."""
    rule = observation.model.spec.health.rule(fault)
    return rule is not None and rule.about_cloud


def alert_alone(observation: Observation, draft: Draft, fault: str) -> bool:
    """Whether `fault` is what an alert says and no rule: rules watch the edge's own model, whoever answered."""
    return observation.model.spec.health.rule(fault) is None and any(
        a.fault == fault for a in firing(observation, draft)
    )


def drifting(observation: Observation, draft: Draft) -> frozenset[str]:
    """Rules that fire for the version that is rolled out and for the one before alike: that is the input's doing.

    Not the fault that the rollout is to heal: there the version before is known to show it.
    """
    rollout = draft.status.rollout
    target = None if rollout is None else draft.version(rollout.to)
    if rollout is None or target is None:
        return frozenset()
    control = voters(observation, draft)
    old = suspects(firing(observation, draft), draft.status.digest, control)
    new = complaints(observation, draft, rollout, target.digest)
    reports = heard(observation, reached(observation, rollout)).values()
    tried = sum(report.digest == target.digest or target.digest in report.refused for report in reports)
    enough = quorum(len(control), len(control) + len(silent(observation, draft)))
    return frozenset(
        rule.name
        for rule in observation.model.spec.health.rules
        if rule.name != rollout.fault
        and rule.name in old.keys() & new.keys()
        and len(old[rule.name]) >= enough
        and len(new[rule.name]) >= quorum(tried, tried)
    )


def suspects(alerts: Iterable[Alert], digest: str | None, electorate: dict[str, Report]) -> dict[str, list[str]]:
    """Nodes of `electorate` that show a fault, or left the version with `digest`, by the fault or the code."""
    found: dict[str, set[str]] = {}
    for node, report in electorate.items():
        for fault, active in report.faults.items():
            if active:
                found.setdefault(fault, set()).add(node)
        left = report.refused.get(digest or "")
        if left is not None:
            found.setdefault(left, set()).add(node)
    for alert in alerts:
        concerned = [alert.node] if alert.node else list(electorate)
        for node in concerned:
            if node in electorate and electorate[node].faults.get(alert.fault) is not False:
                found.setdefault(alert.fault, set()).add(node)
    return {fault: sorted(nodes) for fault, nodes in found.items()}
