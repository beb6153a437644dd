"""What nodes did by themselves is kept: a node that left the version for its backup, maybe offline, is not sent back.

It refuses the digest that it left, so the wish that still names it changes nothing there; another wish, or a person who
clears the digest, does. Here it is written down that the fleet knows of it, once its own heal is proved: the rule that
fired is quiet, and enough requests were answered.

What else a node did about a fault, such as a restart, it has judged itself: that is written down however it ended.
"""

from datetime import datetime

from edgemodel.ladder import ActionType, Verdict
from edgemodel.wish import Artifact
from edgemodel_operator.api.reasons import EventReason
from edgemodel_operator.api.states import Origin, VersionState
from edgemodel_operator.api.status import NAMES_SHOWN, NODE_HEALS_KEPT, HealRecord, NodeException, Status, VersionStatus
from edgemodel_operator.decide.draft import Draft
from edgemodel_operator.decide.versions import KEPT, serve
from edgemodel_operator.decide.wave import reached
from edgemodel_operator.model import naming
from edgemodel_operator.model.observation import Judged, Observation, Report

TAKEN_OVER = "TakenOver"
"""Reason of a version that was barred when the EdgeModel was made anew."""


def take_over(observation: Observation, draft: Draft) -> Draft:
    """Go on from the wish that a predecessor of the same name left, where the status knows of nothing.

    What serves goes on to serve until the spec's version has passed its steps; what was barred stays barred.
    """
    left = observation.wish
    if left is None or left.default is None or draft.status.version is not None or draft.status.wished is not None:
        return draft
    draft = _know(observation, draft, left.default.active)
    if left.default.backup is not None:  # it was good enough to fall back to
        draft = _know(observation, draft, left.default.backup)
        draft = draft.change_artifact(left.default.backup.digest, proved_at=observation.now)
    known = {version.digest for version in draft.status.versions}
    unknown = [VersionStatus(name=f"left-{d[7:15]}", uri="", digest=d) for d in left.refused if d not in known]
    draft = draft.set(versions=(*draft.status.versions, *unknown[: max(KEPT - len(draft.status.versions), 0)]))
    for digest in left.refused:
        draft = draft.mark_artifact(digest, VersionState.QUARANTINED, observation.now, TAKEN_OVER)
    serving = draft.names_of(left.default.active.digest)[0]
    message = f"{serving.name} goes on to serve, as an EdgeModel of this name left it; {len(left.refused)} stay out"
    return serve(draft, serving, observation).tell("Normal", EventReason.ADOPTED, message)


def _know(observation: Observation, draft: Draft, artifact: Artifact) -> Draft:
    """An artifact of the wish is a version, by the spec's name for it where it has one."""
    if draft.names_of(artifact.digest):
        return draft
    name = artifact.name if draft.version(artifact.name) is None else f"left-{artifact.digest[7:15]}"
    origin = Origin.DISTILLED if naming.is_distilled(name) else Origin.SPEC
    found = VersionStatus(name=name, uri=artifact.uri, digest=artifact.digest, origin=origin, since=observation.now)
    return draft.set(versions=(*draft.status.versions, found))


def adopt(observation: Observation, draft: Draft) -> Draft:
    """Write down the nodes whose own heal is proved, each once; those of a rollout were told what they serve."""
    told = reached(observation, draft.status.rollout)
    exceptions = {entry.name: entry for entry in draft.status.nodes.exceptions}
    fresh: dict[tuple[str, str | None], list[str]] = {}
    for name in _remembered(observation, draft.status):
        report = observation.reports[name]
        fault = healed(observation, draft, report)
        known = exceptions.get(name)
        noted = known is not None and known.adopted is not None and known.version == report.version
        if fault is None or noted or name in told:
            continue
        exceptions[name] = NodeException(name=name, version=report.version, reason=fault, adopted=observation.now)
        fresh.setdefault((fault, report.version), []).append(name)
    if not fresh:
        return draft
    nodes = draft.status.nodes.model_copy(update={"exceptions": tuple(exceptions[name] for name in sorted(exceptions))})
    draft = draft.set(nodes=nodes)
    for (fault, version), names in fresh.items():
        draft = _tell(observation, draft, fault, version, names)
    return draft


def _remembered(observation: Observation, status: Status) -> list[str]:
    """Nodes that do not serve what is to serve, of which the status will still tell in the next tick.

    Not one that has left the fleet and is still heard of, and no more than there is room for beside the silent ones.
    """
    fleet = {node.name for node in observation.nodes}
    differ = {name for name in fleet & observation.reports.keys() if observation.reports[name].digest != status.digest}
    silent = {entry.name for entry in status.nodes.exceptions if entry.adopted} & (fleet - observation.reports.keys())
    return [name for name in sorted(differ | silent)[:NAMES_SHOWN] if name in differ]


def healed(observation: Observation, draft: Draft, report: Report) -> str | None:
    """The fault for which this node left the version that is to serve, where its heal is proved."""
    digest = draft.status.digest or ""
    fault = report.refused.get(digest)
    if fault is None or report.digest == digest or observation.model.spec.health.rule(fault) is None:
        return None
    proved = report.faults.get(fault) is False and report.answered >= observation.model.spec.healing.min_samples
    return fault if proved else None


def _tell(observation: Observation, draft: Draft, fault: str, version: str | None, names: list[str]) -> Draft:
    now, left = observation.now, draft.status.version
    heal = HealRecord(
        at=now,
        fault=fault,
        evidence=f"{fault} with {left} on {', '.join(names)}, by the node's own detector",
        action=ActionType.SWITCH_MODEL,
        from_=left,
        to=version,
        nodes=tuple(names),
        verdict=Verdict.PROVED,
        verified_at=now,
    )
    judged = _judged(observation)
    draft = draft.add_heal(heal, lambda known: _kind(known) in judged)
    message = f"{', '.join(names)}: {left} → {version} by the node itself ({fault}), which helped and is kept"
    return draft.tell("Normal", EventReason.ADOPTED, f"{message}; {way_back(observation, draft.status)}")


def learn(observation: Observation, draft: Draft) -> Draft:
    """Write down how nodes' own actions ended, but for switches: once, one heal for all that did the same alike.

    They are evidence for people, and the nodes' own: no ladder of the operator's and no limit of it counts them.
    """
    judged = _judged(observation)
    for kind, nodes in judged.items():
        known = next((heal for heal in draft.status.heals if heal.nodes and _kind(heal) == kind), None)
        news = {name: at for name, at in nodes.items() if _is_news(known, name, at)}
        if news:
            draft = draft.set(heals=tuple(heal for heal in draft.status.heals if heal is not known))
            draft = draft.add_heal(_own_heal(kind, known, news), lambda heal: _kind(heal) in judged)
            message = f"{', '.join(news)}: {kind[1].value} by the node itself ({kind[0]}): {kind[2].value}"
            draft = draft.tell("Normal" if kind[2] is Verdict.PROVED else "Warning", EventReason.ADOPTED, message)
    return draft


def _judged(observation: Observation) -> dict[Judged, dict[str, datetime]]:
    """What nodes tell of what they did, by what it was: when each judged it. What there is no room for is left out."""
    found: dict[Judged, dict[str, datetime]] = {}
    for name, report in sorted(observation.reports.items()):
        for kind, at in report.judged.items():
            if observation.model.spec.health.rule(kind[0]) is not None:
                found.setdefault(kind, {})[name] = at
    return dict(sorted(found.items())[: NODE_HEALS_KEPT // 2])


def _kind(heal: HealRecord) -> tuple[str, ActionType, Verdict | None]:
    return heal.fault, heal.action, heal.verdict


def _is_news(known: HealRecord | None, node: str, at: datetime) -> bool:
    """Whether what is written down lacks it: that is older, or does not name the node and has room for it."""
    if known is None or known.verified_at is None:
        return True
    return at > known.verified_at or (node not in known.nodes and len(known.nodes) < NAMES_SHOWN)


def _own_heal(kind: Judged, known: HealRecord | None, news: dict[str, datetime]) -> HealRecord:
    """What is written down, with these nodes too: as of the newest verdict."""
    fault, action, verdict = kind
    names = sorted({*news, *(known.nodes if known is not None else ())})[:NAMES_SHOWN]
    before = [known.verified_at] if known is not None and known.verified_at is not None else []
    last = max([*before, *news.values()])
    return HealRecord(
        at=last,
        fault=fault,
        evidence=f"{fault} on {', '.join(names)}, by the node's own detector",
        action=action,
        nodes=tuple(names),
        verdict=verdict,
        verified_at=last,
    )


def way_back(observation: Observation, status: Status) -> str:
    """How a person has the version tried again on nodes that left it."""
    version = status.version
    return f"to try {version} there again: edgemodel clear-quarantine {observation.model.name} {version}"
